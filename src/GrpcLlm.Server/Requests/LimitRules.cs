using System.Text;
using Google.Protobuf.WellKnownTypes;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Requests;

/// <summary>Rules of <see cref="GenerationLimits"/>. Stateless.</summary>
internal static class LimitRules
{
    /// <summary>Most stop sequences of a request.</summary>
    public const int MaxStopSequences = 64;

    /// <summary>Most bytes of UTF-8 of one stop sequence.</summary>
    public const int MaxStopSequenceBytes = 256;

    public static void Check(GenerationLimits? limits, Violations violations)
    {
        if (limits is null) return;
        if (limits is { HasMaxOutputTokens: true, MaxOutputTokens: 0 })
            violations.AddOutOfRange("limits.max_output_tokens", "1 or more", 0);
        if (limits.HasMaxOutputTokens && limits.HasMinOutputTokens && limits.MinOutputTokens > limits.MaxOutputTokens)
            violations.Add("limits.min_output_tokens", "must not exceed max_output_tokens");
        CheckStopSequences(limits, violations);
        if (limits.TimeBudget is { } budget && !(TryToTimeSpan(budget, out var span) && span > TimeSpan.Zero))
            violations.Add("limits.time_budget", "must be a valid duration above 0");
    }

    /// <summary>
    /// A duration of the wire as a <see cref="TimeSpan"/>; false if it breaks the rules of
    /// <c>google/protobuf/duration.proto</c> (nanos within ±999999999, same sign as seconds, within 10,000 years).
    /// </summary>
    public static bool TryToTimeSpan(Duration duration, out TimeSpan span)
    {
        const long maxSeconds = 315_576_000_000;
        span = default;
        if (Math.Abs((double)duration.Seconds) > maxSeconds || Math.Abs((long)duration.Nanos) > 999_999_999) return false;
        if ((duration.Seconds > 0 && duration.Nanos < 0) || (duration.Seconds < 0 && duration.Nanos > 0)) return false;
        span = TimeSpan.FromTicks((duration.Seconds * TimeSpan.TicksPerSecond) + (duration.Nanos / 100));
        return true;
    }

    private static void CheckStopSequences(GenerationLimits limits, Violations violations)
    {
        var sequences = limits.StopSequences;
        if (sequences.Count > MaxStopSequences)
        {
            violations.Add("limits.stop_sequences", $"must be at most {MaxStopSequences}, are {sequences.Count}");
            return;
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var index = 0; index < sequences.Count; index++)
        {
            var bytes = Encoding.UTF8.GetByteCount(sequences[index]);
            if (bytes is 0 or > MaxStopSequenceBytes)
                violations.Add($"limits.stop_sequences[{index}]", $"must have 1 to {MaxStopSequenceBytes} bytes, has {bytes}");
            if (!seen.Add(sequences[index])) violations.Add($"limits.stop_sequences[{index}]", "must be distinct");
        }
    }
}
