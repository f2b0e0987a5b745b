using System.CommandLine;
using System.CommandLine.Parsing;
using GrpcLlm.Cli.Output;
using GrpcLlm.V1;
using static GrpcLlm.Cli.Commands.CliOption;
using Duration = Google.Protobuf.WellKnownTypes.Duration;

namespace GrpcLlm.Cli.Commands;

/// <summary>
/// The options of a generation. What is not given is not set in the request, so that the server's default applies; what
/// is given is judged by the server, which knows the model.
/// </summary>
internal sealed class GenerateOptions
{
    /// <summary>
    /// What a call may take beyond its deadline: a gRPC deadline counts from before the connection exists, which for a
    /// process that has just started is longer than the margin in which the server would end the answer in good order.
    /// So the server counts, and usage and timing arrive; the call's own limit is for a server that no longer answers.
    /// </summary>
    private static readonly TimeSpan DeadlineGrace = TimeSpan.FromSeconds(2);

    private readonly InputOptions _input = new();
    private readonly ShapeOptions _shape = new();
    private readonly Option<string?> _model = CreateModel();
    private readonly Option<uint?> _maxTokens = CreateNumber<uint>("--max-tokens", "N", "Most output tokens.");
    private readonly Option<double?> _temperature = CreateNumber<double>("--temperature", "T", "0 (greedy) to 2.");
    private readonly Option<double?> _topP = CreateNumber<double>("--top-p", "P", "Nucleus, above 0 to 1.");
    private readonly Option<uint?> _topK = CreateNumber<uint>("--top-k", "K", "Number of candidates; 0: no limit.");
    private readonly Option<double?> _minP = CreateNumber<double>("--min-p", "P", "Drop candidates below this share of the best one.");
    private readonly Option<double?> _presence = CreateNumber<double>("--presence-penalty", "P", "-2 to 2, on tokens that are there already.");
    private readonly Option<double?> _frequency = CreateNumber<double>("--frequency-penalty", "P", "-2 to 2, on tokens by how often they are there.");
    private readonly Option<double?> _repetition = CreateNumber<double>("--repetition-penalty", "F", "Factor on tokens seen; 1 changes nothing.");
    private readonly Option<long?> _seed = CreateNumber<long>("--seed", "N", "Same seed, same text, where the model promises it.");
    private readonly Option<string[]> _stop = Create<string[]>("--stop", "TEXT", "Text that ends the answer. Repeatable.");
    private readonly Option<ReasoningEffort?> _effort = Create<ReasoningEffort?>("--reasoning", "EFFORT", "none, minimal, low, medium, high or max.");
    private readonly Option<bool> _logprobs = new("--logprobs")
    {
        Description = "Ask for log probabilities; --json shows them per token.",
    };
    private readonly Option<string?> _requestId = Create<string?>("--request-id", "ID", "Name of this generation, for `grpcllm cancel` and logs.");
    private readonly Option<TimeSpan?> _deadline = CreateTime("--deadline", "Time until the server ends the answer: 500ms, 30s, 2m.");

    public GenerateOptions()
    {
        _effort.CustomParser = ParseEffort;
    }

    public static Option<string?> CreateModel() =>
        Create<string?>("--model", "NAME", "Name or alias from `grpcllm models`. Default: the service's.", "-m");

    public void AddTo(Command command)
    {
        _input.AddTo(command);
        _shape.AddTo(command);
        foreach (var option in new Option[]
        {
            _model, _maxTokens, _temperature, _topP, _topK, _minP, _presence, _frequency, _repetition, _seed, _stop,
            _effort, _logprobs, _deadline, _requestId,
        })
        {
            command.Add(option);
        }
    }

    /// <summary>When the call itself gives up. The server keeps the deadline, as the request's time budget.</summary>
    public TimeSpan? TimeoutOf(ParseResult parsed) => parsed.GetValue(_deadline) + DeadlineGrace;

    /// <summary>The request that a command line stands for.</summary>
    /// <exception cref="UsageException">There is no prompt, or a file cannot be read.</exception>
    public async Task<GenerateRequest> RequestOfAsync(ParseResult parsed, CliConsole console, CancellationToken cancellationToken)
    {
        var input = await _input.ReadAsync(parsed, console, cancellationToken);
        var request = new GenerateRequest
        {
            RequestId = parsed.GetValue(_requestId) ?? "",
            Model = parsed.GetValue(_model) ?? "",
            Tools = { input.Tools },
        };
        if (input.Conversation is { } conversation) request.Conversation = conversation;
        else request.Prompt = input.Prompt;
        var sampling = SamplingOf(parsed);
        if (sampling.CalculateSize() > 0) request.Sampling = sampling;
        var limits = LimitsOf(parsed);
        if (limits.CalculateSize() > 0) request.Limits = limits;
        if (parsed.GetValue(_effort) is { } effort) request.Reasoning = new ReasoningOptions { Effort = effort };
        if (parsed.GetValue(_logprobs)) request.Output = new OutputOptions { Logprobs = true };
        await _shape.AddToAsync(request, parsed, console, cancellationToken);
        return request;
    }

    private SamplingOptions SamplingOf(ParseResult parsed)
    {
        var sampling = new SamplingOptions();
        if (parsed.GetValue(_temperature) is { } temperature) sampling.Temperature = temperature;
        if (parsed.GetValue(_topP) is { } topP) sampling.TopP = topP;
        if (parsed.GetValue(_topK) is { } topK) sampling.TopK = topK;
        if (parsed.GetValue(_minP) is { } minP) sampling.MinP = minP;
        if (parsed.GetValue(_presence) is { } presence) sampling.PresencePenalty = presence;
        if (parsed.GetValue(_frequency) is { } frequency) sampling.FrequencyPenalty = frequency;
        if (parsed.GetValue(_repetition) is { } repetition) sampling.RepetitionPenalty = repetition;
        if (parsed.GetValue(_seed) is { } seed) sampling.Seed = seed;
        return sampling;
    }

    private GenerationLimits LimitsOf(ParseResult parsed)
    {
        var limits = new GenerationLimits { StopSequences = { parsed.GetValue(_stop) ?? [] } };
        if (parsed.GetValue(_maxTokens) is { } maxTokens) limits.MaxOutputTokens = maxTokens;
        if (parsed.GetValue(_deadline) is { } deadline) limits.TimeBudget = Duration.FromTimeSpan(deadline);
        return limits;
    }

    private static ReasoningEffort? ParseEffort(ArgumentResult result)
    {
        var text = result.Tokens.Single().Value;
        foreach (var effort in Enum.GetValues<ReasoningEffort>())
        {
            if (effort != ReasoningEffort.Unspecified && string.Equals(Words.Of(effort), text, StringComparison.Ordinal)) return effort;
        }

        result.AddError($"'{text}' is no effort; write none, minimal, low, medium, high or max.");
        return null;
    }
}
