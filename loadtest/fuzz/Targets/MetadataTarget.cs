using System.Text;
using GrpcLlm.Server.Backends.Simulator;
using GrpcLlm.Server.Grpc;
using GrpcLlm.Server.Requests;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>
/// Metadata of a call, a line <c>key: value</c> each: what of it reaches backends, and what the simulator makes of that. An
/// entry is honoured within its range or refused by name.
/// </summary>
internal sealed class MetadataTarget : FuzzTarget
{
    private static readonly string[] Keys =
        ["simulate-ttft-ms", "simulate-itl-ms", "simulate-output-tokens", "simulate-fault", "Simulate-TTFT-ms", "simulate-x", "simulate-", "authorization", "request-id", "trace-bin"];

    private static readonly string[] Values =
        ["0", "20", "0.5", "3600000", "3600000.1", "-1", "1e3", "NaN", "Infinity", "1000000", "1000001", "4294967296", "reset@10", "429@", "stall", "none", "slow@3", "599", "600", "@", "reset@4294967296", "é", ""];

    public override string Name => "metadata";

    public override byte[] Make(Random random, IReadOnlyList<byte[]> corpus)
    {
        var lines = new StringBuilder();
        for (var left = random.Next(1, 6); left > 0; left--)
            lines.Append($"{Keys[random.Next(Keys.Length)]}: {Values[random.Next(Values.Length)]}\n");
        var bytes = Encoding.UTF8.GetBytes(lines.ToString());
        return random.Next(2) == 0 ? bytes : Mutator.Change(random, bytes, corpus, Values);
    }

    public override void Check(byte[] input)
    {
        var headers = new HeaderDictionary();
        foreach (var line in Encoding.UTF8.GetString(input).Split('\n'))
        {
            var at = line.IndexOf(':', StringComparison.Ordinal);
            if (at > 0 && line[..at].Trim() is { Length: > 0 } key) headers.Append(key, new StringValues(line[(at + 1)..].Trim()));
        }

        var entries = BackendMetadata.Of(headers);
        FindingException.Unless(
            entries.Keys.All(static key => key.StartsWith("simulate-", StringComparison.OrdinalIgnoreCase)), "an entry that is nobody's business");
        var refused = new Violations();
        SimulatorOverrides.Refuse(entries, refused);
        FindingException.Unless(refused.Count == entries.Count, "an entry that is passed over");

        var violations = new Violations();
        var read = SimulatorOverrides.Read(entries, violations);
        FindingException.Unless(violations.Count <= entries.Count, "an entry that is refused twice");
        FindingException.Unless(violations.All(static one => !one.Field.Any(char.IsControl)), "a field of several lines");
        CheckTime(read.TimeToFirstToken);
        CheckTime(read.InterTokenLatency);
        FindingException.Unless(read.OutputTokens is null or (> 0 and <= 1_000_000), $"{read.OutputTokens} tokens");
        if (read.Fault is { } fault) FindingException.Unless(fault.AfterTokens == 0 || fault.MayFollowTokens, $"{fault}");
    }

    private static void CheckTime(TimeSpan? time) =>
        FindingException.Unless(time is null || (time >= TimeSpan.Zero && time <= TimeSpan.FromHours(1)), $"{time} is out of range");
}
