using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Gemini;

/// <summary>
/// Reads an answer of <c>streamGenerateContent</c>: events that each hold the next parts of the one candidate, the
/// <c>usageMetadata</c> so far, and in the last one the <c>finishReason</c>; or a <c>promptFeedback.blockReason</c>, or an
/// <c>error</c>. The end of the body is the end of the answer; one without a reason was cut. Not thread-safe.
/// </summary>
internal sealed class GeminiStream : ProviderStream
{
    private readonly GeminiParts _parts;
    private readonly GeminiUsage _usage = new();
    private bool _opened;

    /// <param name="output">What was asked of the output.</param>
    public GeminiStream(OutputOptions? output) => _parts = new GeminiParts(output);

    public override void Read(string eventType, ReadOnlySpan<byte> data, List<BackendEvent> output)
    {
        var reader = new Utf8JsonReader(data);
        using var document = JsonDocument.ParseValue(ref reader);
        if (document.RootElement.ValueKind != JsonValueKind.Array)
        {
            ReadResponse(document.RootElement, output);
            return;
        }

        // The form without alt=sse, and that of errors: a list.
        foreach (var one in document.RootElement.EnumerateArray()) ReadResponse(one, output);
    }

    public override void Complete(List<BackendEvent> output)
    {
        if (Ending is null) return;

        // On an answer that was cut off an open call stays open.
        if (Ending.Reason is FinishReason.Stop or FinishReason.ToolCalls) _parts.EndCalls(output);
        Ending = Ending with
        {
            Reason = Ending.Reason == FinishReason.Stop && _parts.AnyCall ? FinishReason.ToolCalls : Ending.Reason,
            Usage = _usage.Final(_parts.VisibleTokens),
        };
    }

    private void ReadResponse(JsonElement response, List<BackendEvent> output)
    {
        if (response.ValueKind != JsonValueKind.Object)
            throw new BackendException(BackendFailure.Malformed, "The backend sent an event that is no JSON object.");
        if (response.TryGetProperty("error"u8, out var error) && error.ValueKind != JsonValueKind.Null)
        {
            throw UpstreamRefusal.InStream(
                (int)(JsonText.Count(error, "code") ?? 500), UpstreamRefusal.MessageOf(response), Secret);
        }

        var usage = JsonText.Child(response, "usageMetadata") is { } metadata ? _usage.Read(metadata) : null;
        if (!_opened)
        {
            _opened = true;
            output.Add(BackendEvent.Opened(new BackendOpening
            {
                Model = JsonText.Read(response, "modelVersion"),
                ResponseId = JsonText.Read(response, "responseId"),
                InputTokens = usage is { HasInputTokens: true } ? usage.InputTokens : null,
            }));
        }

        var before = output.Count;
        if (CandidateOf(response) is { } candidate) ReadCandidate(candidate, output);
        else if (JsonText.Child(response, "promptFeedback") is { } feedback) Ending ??= GeminiEnding.OfPrompt(feedback);
        if (usage is not null) output.Add(BackendEvent.UsageSoFar(usage));
        if (output.Count == before) output.Add(BackendEvent.Alive);
    }

    /// <summary>The first candidate; more are never asked for.</summary>
    private static JsonElement? CandidateOf(JsonElement response)
    {
        if (JsonText.Child(response, "candidates") is not { ValueKind: JsonValueKind.Array } candidates) return null;
        foreach (var candidate in candidates.EnumerateArray())
        {
            if ((JsonText.Count(candidate, "index") ?? 0) == 0) return candidate;
        }

        return null;
    }

    private void ReadCandidate(JsonElement candidate, List<BackendEvent> output)
    {
        if (JsonText.Child(candidate, "content") is { } content
            && JsonText.Child(content, "parts") is { ValueKind: JsonValueKind.Array } parts)
        {
            _parts.BeginEvent(candidate);
            foreach (var part in parts.EnumerateArray()) _parts.Read(part, output);
        }

        if (GeminiEnding.Of(candidate) is { } ending) Ending = ending;
    }
}
