using System.Globalization;
using GrpcLlm.Server.Requests;

namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>
/// What one call chooses for itself by metadata, so that a load profile can:
/// <code>
/// simulate-ttft-ms         milliseconds to the first token, 0 to 3600000, fractions allowed; exactly, without spread or prefill
/// simulate-itl-ms          milliseconds between tokens, likewise
/// simulate-output-tokens   tokens of the answer, 1 to 1000000: it ends with STOP, or with LENGTH at a smaller max_output_tokens
/// simulate-fault           none, or a word for a fault, and after how many tokens: 429, 500, refused, stall, stall@10, reset@10 …
/// </code>
/// What it does not choose is as configured; load and pauses slow it down like any other. Immutable.
/// </summary>
internal sealed record SimulatorOverrides
{
    private const string TimeToFirstTokenKey = "simulate-ttft-ms";
    private const string InterTokenLatencyKey = "simulate-itl-ms";
    private const string OutputTokensKey = "simulate-output-tokens";
    private const string FaultKey = "simulate-fault";
    private const uint MaxTokens = 1_000_000;
    private const double MaxMilliseconds = 3_600_000;

    /// <summary>Nothing is chosen.</summary>
    public static SimulatorOverrides None { get; } = new();

    /// <summary>Null: as configured.</summary>
    public TimeSpan? TimeToFirstToken { get; init; }

    /// <summary>Null: as configured.</summary>
    public TimeSpan? InterTokenLatency { get; init; }

    /// <summary>Null: the request's limit, or as configured.</summary>
    public uint? OutputTokens { get; init; }

    /// <summary>Null: drawn from those that are configured.</summary>
    public SimulatorFault? Fault { get; init; }

    /// <summary>Refuses every key, for a simulator that allows no overrides.</summary>
    public static void Refuse(IReadOnlyDictionary<string, string> metadata, Violations violations)
    {
        foreach (var key in metadata.Keys.Order(StringComparer.OrdinalIgnoreCase))
            violations.Add(FieldOf(key), "needs AllowRequestOverrides in the settings of the simulator");
    }

    /// <summary>Reads them.</summary>
    /// <param name="metadata">Keys in any case.</param>
    /// <param name="violations">Gets every key that is not known or whose value is not.</param>
    public static SimulatorOverrides Read(IReadOnlyDictionary<string, string> metadata, Violations violations)
    {
        var read = None;
        foreach (var (key, value) in metadata.OrderBy(static entry => entry.Key, StringComparer.OrdinalIgnoreCase))
        {
            switch (key.ToLowerInvariant())
            {
                case TimeToFirstTokenKey:
                    read = read with { TimeToFirstToken = ReadTime(key, value, violations) };
                    break;
                case InterTokenLatencyKey:
                    read = read with { InterTokenLatency = ReadTime(key, value, violations) };
                    break;
                case OutputTokensKey when uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var tokens)
                    && tokens is > 0 and <= MaxTokens:
                    read = read with { OutputTokens = tokens };
                    break;
                case OutputTokensKey:
                    violations.Add(FieldOf(key), $"must be a number of tokens from 1 to {MaxTokens}");
                    break;
                case FaultKey when SimulatorFault.TryParse(value, out var fault):
                    read = read with { Fault = fault };
                    break;
                case FaultKey:
                    violations.Add(
                        FieldOf(key), $"must be none, {SimulatorFault.Words}; all but none, refused and slow with @ and tokens if any come before");
                    break;
                default:
                    violations.Add(
                        FieldOf(key), $"is none of {TimeToFirstTokenKey}, {InterTokenLatencyKey}, {OutputTokensKey} and {FaultKey}");
                    break;
            }
        }

        return read;
    }

    private static TimeSpan? ReadTime(string key, string value, Violations violations)
    {
        if (double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var milliseconds)
            && milliseconds is >= 0 and <= MaxMilliseconds) return TimeSpan.FromMilliseconds(milliseconds);
        violations.Add(FieldOf(key), $"must be a number of milliseconds from 0 to {MaxMilliseconds}, such as 0.5");
        return null;
    }

    private static string FieldOf(string key) => $"metadata[{RequestValidator.Shown(key)}]";
}
