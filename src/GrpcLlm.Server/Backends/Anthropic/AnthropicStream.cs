using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Anthropic;

/// <summary>
/// Reads the stream of a message (https://platform.claude.com/docs/en/build-with-claude/streaming): its start, its blocks
/// (<see cref="AnthropicBlocks"/>), its delta with the reason, its stop. Not thread-safe; one answer, one instance.
/// </summary>
internal sealed class AnthropicStream : ProviderStream
{
    private const int MaxCategoryBytes = 64;

    private readonly AnthropicBlocks _blocks = new();
    private readonly AnthropicUsage _usage = new();
    private bool _started;

    public override void Read(string eventType, ReadOnlySpan<byte> data, List<BackendEvent> output)
    {
        // No mark of this API; some servers that imitate it send OpenAI's all the same.
        if (data.SequenceEqual("[DONE]"u8))
        {
            Stop();
            return;
        }

        var reader = new Utf8JsonReader(data);
        using var document = JsonDocument.ParseValue(ref reader);
        var root = document.RootElement;
        var type = JsonText.Read(root, "type");
        switch (type.Length > 0 ? type : eventType)
        {
            case "message_start":
                Start(JsonText.Child(root, "message"), output);
                break;
            case "content_block_start":
                Open(output);
                _blocks.Begin(root, output);
                break;
            case "content_block_delta":
                Open(output);
                _blocks.Append(root, output);
                break;
            case "content_block_stop":
                _blocks.Stop(root, output);
                break;
            case "message_delta":
                TakeDelta(root, output);
                break;
            case "message_stop":
                Stop();
                break;
            case "error":
                TakeError(root);
                break;
            default:
                // An error of somebody in between, who knows nothing of this API's types.
                if (type.Length == 0 && HoldsError(root)) TakeError(root);

                // Pings, and events that nobody told of: life, no more.
                else output.Add(BackendEvent.Alive);
                break;
        }
    }

    public override void Complete(List<BackendEvent> output)
    {
        if (Ending is null) return;
        _blocks.Complete(output, isCut: Ending.Reason is not (FinishReason.Stop or FinishReason.StopSequence or FinishReason.ToolCalls));
        Ending = Ending with { Usage = _usage.AtEnd(_blocks.Deltas) };
    }

    private void Start(JsonElement? message, List<BackendEvent> output)
    {
        if (_started) throw new BackendException(BackendFailure.Malformed, "The backend began a second message in one stream.");
        _started = true;
        var root = message ?? default;
        if (JsonText.Child(root, "usage") is { } usage) _usage.Take(usage, isAtEnd: false);
        output.Add(BackendEvent.Opened(new BackendOpening
        {
            Model = JsonText.Read(root, "model"),
            ResponseId = JsonText.Read(root, "id"),
            InputTokens = _usage.InputTokens is > 0 ? _usage.InputTokens : null,
        }));
        if (_usage.SoFar() is { } soFar) output.Add(BackendEvent.UsageSoFar(soFar));
    }

    private void Open(List<BackendEvent> output)
    {
        if (!_started) Start(null, output);
    }

    private void TakeDelta(JsonElement root, List<BackendEvent> output)
    {
        if (JsonText.Child(root, "usage") is { } usage)
        {
            _usage.Take(usage, isAtEnd: true);
            output.Add(BackendEvent.UsageSoFar(_usage.SoFar()!));
        }

        if (JsonText.Child(root, "delta") is not { } delta || JsonText.Read(delta, "stop_reason") is not { Length: > 0 } word) return;
        var reason = AnthropicWords.FinishReasonOf(word, _blocks.HasToolCalls);
        Ending = new BackendEnding(reason)
        {
            RawReason = word,
            StopSequence = reason == FinishReason.StopSequence ? JsonText.Read(delta, "stop_sequence") : "",
            ContentFilter = reason == FinishReason.ContentFilter ? FilterOf(delta) : null,
        };
    }

    private ContentFilter FilterOf(JsonElement delta)
    {
        var filter = new ContentFilter
        {
            Source = AnthropicProvider.BackendKind,
            Stage = _blocks.Deltas > 0 ? FilterStage.Output : FilterStage.Unspecified,
        };
        if (JsonText.Child(delta, "stop_details") is { } details && JsonText.Read(details, "category") is { Length: > 0 } category)
            filter.Categories.Add(Utf8Text.Cut(category, MaxCategoryBytes).ToLowerInvariant());
        return filter;
    }

    private void Stop()
    {
        // A message that stopped is complete, even if it does not say why.
        Ending ??= new BackendEnding(AnthropicWords.FinishReasonOf("", _blocks.HasToolCalls));
        IsOver = true;
    }

    private static bool HoldsError(JsonElement root) =>
        root.ValueKind == JsonValueKind.Object && root.TryGetProperty("error", out var error)
        && error.ValueKind is JsonValueKind.Object or JsonValueKind.String;

    private void TakeError(JsonElement root)
    {
        Ending = AnthropicWords.BlockedBy(root) ?? throw UpstreamRefusal.InStream(
            AnthropicWords.StatusOf(JsonText.Child(root, "error") is { } error ? JsonText.Read(error, "type") : ""),
            UpstreamRefusal.MessageOf(root),
            Secret);
        IsOver = true;
    }
}
