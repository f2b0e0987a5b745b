using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace GrpcLlm.Samples.FunctionCalling;

/// <summary>
/// Function invocation as middleware, written on the abstractions alone: call the model, carry out what it asks for, give it
/// the results, until it answers. It knows nothing of the service behind it.
/// </summary>
/// <param name="inner">The model.</param>
internal sealed class FunctionLoop(IChatClient inner) : DelegatingChatClient(inner)
{
    /// <summary>Most calls of the model for one answer; one that always asks for more is not to cost without end.</summary>
    private const int MaxRounds = 10;

    /// <summary>Answers as a whole.</summary>
    public override async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var history = messages.ToList();
        for (var round = 1; ; round++)
        {
            var response = await base.GetResponseAsync(history, options, cancellationToken);
            if (!await GoOnAsync(history, response, options, round, cancellationToken)) return response;
        }
    }

    /// <summary>Answers as it comes, function calls included.</summary>
    public override async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var history = messages.ToList();
        for (var round = 1; ; round++)
        {
            var updates = new List<ChatResponseUpdate>();
            await foreach (var update in base.GetStreamingResponseAsync(history, options, cancellationToken))
            {
                updates.Add(update);
                yield return update;
            }

            if (!await GoOnAsync(history, updates.ToChatResponse(), options, round, cancellationToken)) yield break;
        }
    }

    /// <summary>Carries out what an answer asks for; false if it asks for nothing, or too often.</summary>
    private static async Task<bool> GoOnAsync(
        List<ChatMessage> history, ChatResponse response, ChatOptions? options, int round, CancellationToken cancellationToken)
    {
        // Calls that are informational only were cut off, or cannot be read.
        var calls = response.Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>()
            .Where(call => !call.InformationalOnly).ToList();
        if (calls.Count == 0 || round == MaxRounds) return false;

        var results = new List<AIContent>();
        foreach (var call in calls) results.Add(await InvokeAsync(call, options, cancellationToken));
        history.AddMessages(response);
        history.Add(new ChatMessage(ChatRole.Tool, results));
        return true;
    }

    private static async Task<FunctionResultContent> InvokeAsync(
        FunctionCallContent call, ChatOptions? options, CancellationToken cancellationToken)
    {
        var function = options?.Tools?.OfType<AIFunction>().FirstOrDefault(tool => tool.Name == call.Name);
        if (function is null) return new FunctionResultContent(call.CallId, $"Error: there is no function {call.Name}.");
        try
        {
            var arguments = new AIFunctionArguments(call.Arguments, StringComparer.Ordinal);
            return new FunctionResultContent(call.CallId, await function.InvokeAsync(arguments, cancellationToken));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception exception)
        {
            // A function may throw anything; the model is told that it failed, and not how.
            return new FunctionResultContent(call.CallId, "Error: the function failed.") { Exception = exception };
        }
    }
}
