using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace GrpcLlm.Client.Chat;

/// <summary>A <see cref="GrpcLlmClient"/> as an <see cref="IChatClient"/>. Thread-safe; owns nothing.</summary>
internal sealed class GrpcLlmChatClient(GrpcLlmClient client, string model, GenerateCallOptions? callOptions) : IChatClient
{
    /// <summary>As telemetry of the abstractions names the service.</summary>
    public const string ProviderName = "grpcllm";

    private readonly ChatClientMetadata _metadata = new(
        ProviderName, client.Address, model.Length > 0 ? model : client.DefaultModel is { Length: > 0 } name ? name : null);

    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var request = ChatRequest.Of(this, messages, options, model);
        return ResponseOf(await client.GenerateAnswerAsync(request, callOptions, cancellationToken));
    }

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var generation = client.GenerateAsync(ChatRequest.Of(this, messages, options, model), callOptions, cancellationToken);
        var mapper = new ChatUpdateMapper(generation.RequestId);
        await foreach (var chunk in generation) yield return mapper.Map(chunk);
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null) return null;
        return serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType.IsInstanceOfType(client) ? client
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    /// <summary>Does nothing: the client below is shared, and whoever made it disposes it.</summary>
    public void Dispose() { }

    private static ChatResponse ResponseOf(GenerationAnswer answer)
    {
        var contents = answer.Parts.SelectMany(ChatContents.Of).ToList();
        contents.AddRange(answer.ToolCalls.Where(call => !call.IsDone).Select(call => ChatContents.OfCutCall(call.Id, call.Name)));
        var properties = answer.Finish is { } finish ? ChatEnds.PropertiesOf(finish) : null;
        var message = new ChatMessage(ChatRole.Assistant, contents)
        {
            // Where they end up when updates are put together.
            AdditionalProperties = properties,
            MessageId = answer.RequestId,
            RawRepresentation = answer.ToMessage(),
        };
        return new ChatResponse(message)
        {
            ResponseId = answer.RequestId,
            ModelId = answer.Model,
            FinishReason = ChatEnds.ReasonOf(answer.FinishReason),
            Usage = answer.Usage is { } usage ? ChatEnds.UsageOf(usage) : null,
            AdditionalProperties = properties,
            RawRepresentation = answer,
        };
    }
}
