using System.Text;
using GrpcLlm.Server.Backends;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>Events as text, to be compared. Ids that the service makes are left out.</summary>
internal static class Transcript
{
    public static string Of(IReadOnlyList<BackendEvent> events, BackendException? failure)
    {
        var text = new StringBuilder();
        foreach (var one in events)
        {
            text.Append($"{one.Kind} {one.PartIndex} {one.TokenCount} {Printable(one.Text)}");
            if (one.ToolCall is { } call) text.Append($"{call.Index} {call.Name} {Printable(call.ArgumentsFragment)} {call.Done}");
            if (one.Opening is { } opening) text.Append($"{opening.Model} {opening.ResponseId} {opening.InputTokens}");
            if (one.Usage is { } usage) text.Append(usage);
            if (one.Kind == BackendEventKind.Signature) text.Append(one.Signature.ToBase64());
            if (one.Ending is { } ending) text.Append($"{ending.Reason} {ending.RawReason} {ending.StopSequence} {ending.Usage}");
            if (one.Ending?.ContentFilter is { } filter) text.Append($"{filter.Stage} {filter.Source} {string.Join(',', filter.Categories.Select(Printable))}");
            text.Append('\n');
        }

        if (failure is not null)
            text.Append($"failed: {failure.Failure} {failure.BeforeFirstToken} {failure.HttpStatus} {failure.RetryAfter} {failure.Message}");
        return text.ToString();
    }

    private static string Printable(string text) => string.Concat(text.Select(static one => one is < ' ' or > '~' ? $"\\{(int)one:x}" : $"{one}"));
}
