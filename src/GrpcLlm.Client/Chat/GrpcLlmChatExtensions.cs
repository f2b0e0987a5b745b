using GrpcLlm.Client.Chat;
using GrpcLlm.V1;
using Microsoft.Extensions.AI;

namespace GrpcLlm.Client;

/// <summary>The service as an <see cref="IChatClient"/>, for applications that are written against Microsoft.Extensions.AI.</summary>
public static class GrpcLlmChatExtensions
{
    /// <summary>Makes a chat client of a client: function invocation, caching, telemetry and other middleware work on it.</summary>
    /// <param name="client">The client. Shared, not owned: disposing the chat client does not dispose it.</param>
    /// <param name="model">
    /// Name or alias of the model where <see cref="ChatOptions.ModelId"/> names none. Null: the client's default, else the
    /// service's.
    /// </param>
    /// <param name="callOptions">Deadline and headers of every call. Null: the client's defaults.</param>
    /// <returns>A chat client that is thread-safe.</returns>
    /// <remarks>
    /// <para>
    /// Failures are <see cref="GenerationException"/>. What the service has no place for is refused with reason
    /// INVALID_REQUEST and a violation per thing, before any call is made: conversation ids (send the whole conversation
    /// each time), continuation tokens, tools that a provider runs, contents other than text, reasoning, images, function
    /// calls and their results. Author names, ids, times, annotations and additional properties of messages and contents
    /// are the application's own and are not sent; an image's <c>detail</c> (auto, low, high) is.
    /// </para>
    /// <para>
    /// <see cref="ChatOptions.AdditionalProperties"/> reach the rest of the contract. A key is the path of a field of
    /// <see cref="GenerateRequest"/>, such as <c>sampling.min_p</c>, <c>limits.time_budget</c>, <c>output.logprobs</c>,
    /// <c>end_user_id</c> or <c>labels</c>; its value has the form of protobuf's JSON, or is a <see cref="TimeSpan"/> for a
    /// duration. <c>strictJsonSchema</c>, there and on a tool, is the contract's <c>strict</c>. A key that is neither is
    /// refused. <see cref="ChatOptions.RawRepresentationFactory"/> may make the <see cref="GenerateRequest"/> to start from.
    /// </para>
    /// <para>
    /// Signatures of reasoning travel in <see cref="TextReasoningContent.ProtectedData"/>. Those of other contents stand in
    /// a <see cref="TextReasoningContent"/> without text behind them: send contents back in the order in which they came.
    /// A refusal is an <see cref="ErrorContent"/> with code <c>Refusal</c>. A function call that was cut off is
    /// <see cref="FunctionCallContent.InformationalOnly"/>, so that nobody carries it out, and cannot be sent back.
    /// </para>
    /// <para>
    /// <see cref="ChatResponseUpdate.RawRepresentation"/> is the <see cref="TokenChunk"/>,
    /// <see cref="ChatResponse.RawRepresentation"/> of a whole answer the <see cref="GenerationAnswer"/>. Additional
    /// properties of the answer's message tell what the abstractions have no member for: <c>finish_reason</c>, <c>stop_sequence</c>,
    /// <c>backend</c>, <c>backend_model</c>, <c>backend_finish_reason</c>, <c>backend_response_id</c>, <c>attempts</c>,
    /// <c>cost</c>, <c>ttft_us</c>, <c>tpot_us</c>, <c>total_us</c>.
    /// </para>
    /// </remarks>
    public static IChatClient AsChatClient(this GrpcLlmClient client, string? model = null, GenerateCallOptions? callOptions = null)
    {
        ArgumentNullException.ThrowIfNull(client);
        return new GrpcLlmChatClient(client, model ?? "", callOptions);
    }
}
