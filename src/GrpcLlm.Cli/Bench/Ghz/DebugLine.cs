using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;

namespace GrpcLlm.Cli.Bench.Ghz;

/// <summary>What a log line of ghz tells about a call.</summary>
internal enum DebugEvent
{
    /// <summary>Nothing.</summary>
    Other,

    /// <summary>A call begins.</summary>
    Request,

    /// <summary>A message came, or the end of the stream.</summary>
    Message,
}

/// <summary>
/// A line of ghz's <c>--debug</c> file: one JSON object with <c>level</c>, <c>time</c> (RFC 3339 with nanoseconds),
/// <c>message</c> and the fields of that message.
/// </summary>
/// <param name="Event">What it tells.</param>
/// <param name="Time">When; to 100 ns.</param>
/// <param name="WorkerId">Who made the call.</param>
/// <param name="IsEnd">Of a <see cref="DebugEvent.Message"/>: whether it is the end of the stream.</param>
/// <param name="Failure">Why the stream ended otherwise than well; empty: it did not.</param>
/// <param name="Sequence">The chunk's number, where the payload shows it.</param>
/// <param name="Tokens">The chunk's tokens, where the payload shows them.</param>
internal readonly record struct DebugLine(
    DebugEvent Event, DateTimeOffset Time, string WorkerId, bool IsEnd, string Failure, long? Sequence, long? Tokens)
{
    /// <summary>How Go tells the regular end of a stream.</summary>
    private const string EndOfStream = "EOF";

    /// <summary>Whether a line is of that form.</summary>
    public static bool IsOne(string line) => TryParse(line, out _);

    /// <summary>Reads a line.</summary>
    public static bool TryParse(string line, [NotNullWhen(true)] out DebugLine? result)
    {
        result = null;
        try
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || TextOf(root, "level") is null) return false;
            var message = TextOf(root, "message") ?? TextOf(root, "msg");
            if (message is null || !DateTimeOffset.TryParse(
                TextOf(root, "time") ?? TextOf(root, "ts"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
            {
                return false;
            }

            result = Of(root, message, time);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static DebugLine Of(JsonElement root, string message, DateTimeOffset time)
    {
        var worker = TextOf(root, "workerID") ?? "";
        switch (message)
        {
            case "Making request":
                return new DebugLine(DebugEvent.Request, time, worker, false, "", null, null);
            case "Receive message":
                var error = ErrorOf(root);
                var (sequence, tokens) = error is null && root.TryGetProperty("response", out var response) ? ChunkText.Read(response) : (null, null);
                return new DebugLine(DebugEvent.Message, time, worker, error is not null, error is null or EndOfStream ? "" : error, sequence, tokens);
            default:
                return new DebugLine(DebugEvent.Other, time, worker, false, "", null, null);
        }
    }

    private static string? ErrorOf(JsonElement root) =>
        root.TryGetProperty("error", out var error) && error.ValueKind != JsonValueKind.Null
            ? error.ValueKind == JsonValueKind.String ? error.GetString() : error.GetRawText()
            : null;

    private static string? TextOf(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
