using System.Runtime.CompilerServices;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>
/// No model: text of the project, token by token, on a schedule, at almost no cost; so that a load test measures the
/// service. Its distribution has a single token at each place, so sampling changes nothing. An answer has exactly
/// <c>max_output_tokens</c> tokens and ends with LENGTH, or the configured number and ends with STOP. Thread-safe.
/// </summary>
internal sealed class SimulatorBackend(string name, SimulatorOptions options, TimeProvider timeProvider) : IBackend
{
    private static readonly BackendModel Model = new()
    {
        DisplayName = "Simulator",
        Description = "No model: cycles through a fixed text on a schedule, for load tests.",
        Owner = "grpcllm",
        Capabilities = [ModelCapability.Conversation, ModelCapability.Seed],
        InputModalities = [Modality.Text],
        OutputModalities = [Modality.Text],
    };

    public string Name => name;

    public string Kind => "simulator";

    public BackendModel Describe(string model) => Model;

    public void FindUnsupported(GenerateRequest request, string model, Violations violations)
    {
        const string noModel = "is not served by the simulator, which has no model";
        if (request.Tools.Count > 0) violations.Add("tools", noModel);
        if (request.ToolChoice is { Mode: ToolChoiceMode.Required }) violations.Add("tool_choice", noModel);
        if (request.Reasoning is { } reasoning && (reasoning.Effort is not (ReasoningEffort.Unspecified or ReasoningEffort.None)
            || reasoning is { HasBudgetTokens: true, BudgetTokens: > 0 }))
            violations.Add("reasoning", noModel);
        if (request.ProviderOptionsJson.ContainsKey(Kind)) violations.Add($"provider_options_json[{Kind}]", noModel);
        if (request.Sampling is { LogitBias.Count: > 0 }) violations.Add("sampling.logit_bias", noModel);
        if (request.Conversation is { } conversation && conversation.Messages.Any(
            static message => message.Parts.Any(HoldsImage)))
            violations.Add("conversation", "images: " + noModel);
        if (request.Output is not { } output) return;

        if (output.Logprobs) violations.Add("output.logprobs", noModel);
        if (output.TopLogprobs > 0) violations.Add("output.top_logprobs", noModel);
        if (output.TokenIds) violations.Add("output.token_ids", noModel);
        if (output.ResponseFormat is { FormatCase: not (ResponseFormat.FormatOneofCase.None or ResponseFormat.FormatOneofCase.Text) })
            violations.Add("output.response_format", noModel);
    }

    public async IAsyncEnumerable<BackendEvent> GenerateAsync(
        BackendCall call, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var start = timeProvider.GetTimestamp();
        var input = CountInput(call.Request);
        var seed = call.Request.Sampling is { HasSeed: true } sampling ? sampling.Seed : options.Seed;
        var schedule = new SimulatorSchedule(options, seed, input);
        yield return BackendEvent.Opened(new BackendOpening
        {
            InputTokens = input,
            Seed = seed,
            Model = call.Model,
            TokenCountSource = UsageSource.Counted,
        });

        var limit = call.MaxOutputTokens ?? Math.Max((uint)options.OutputTokens, call.Request.Limits?.MinOutputTokens ?? 0);
        var tokens = SimulatorText.Tokens;
        for (uint index = 0; index < limit; index++)
        {
            var due = index == 0 ? schedule.First() : schedule.Next();
            var wait = due - timeProvider.GetElapsedTime(start);
            if (wait > TimeSpan.Zero) await Task.Delay(wait, timeProvider, cancellationToken);
            else cancellationToken.ThrowIfCancellationRequested();
            yield return tokens[(int)(index % (uint)tokens.Count)];
        }

        yield return BackendEvent.Finished(new BackendEnding(call.MaxOutputTokens is null ? FinishReason.Stop : FinishReason.Length)
        {
            RawReason = call.MaxOutputTokens is null ? "stop" : "length",
            Usage = new Usage { InputTokens = input, OutputTokens = limit, Source = UsageSource.Counted },
        });
    }

    public ValueTask<InputTokenCount> CountInputTokensAsync(BackendCall call, CancellationToken cancellationToken) =>
        ValueTask.FromResult(new InputTokenCount(CountInput(call.Request), UsageSource.Counted));

    private static bool HoldsImage(ContentPart part) =>
        part.Image is not null || (part.ToolResult is { } result && result.Parts.Any(HoldsImage));

    private static uint CountInput(GenerateRequest request)
    {
        if (request.InputCase == GenerateRequest.InputOneofCase.Prompt) return SimulatorText.Count(request.Prompt);
        uint count = 0;
        foreach (var part in request.Conversation.Messages.SelectMany(static message => message.Parts))
            count += SimulatorText.Count(part.Text) + SimulatorText.Count(part.Reasoning) + SimulatorText.Count(part.Refusal);
        return count;
    }
}
