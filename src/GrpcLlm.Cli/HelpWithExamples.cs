using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace GrpcLlm.Cli;

/// <summary>Help that ends with examples of the command and the exit codes.</summary>
internal sealed class HelpWithExamples(HelpAction inner) : SynchronousCommandLineAction
{
    private static readonly string[] Everything =
    [
        "grpcllm generate \"Once upon a time\" --max-tokens 64",
        "grpcllm models",
    ];

    private static readonly Dictionary<string, string[]> ByCommand = new(StringComparer.Ordinal)
    {
        ["generate"] =
        [
            "grpcllm generate \"Once upon a time\" --max-tokens 64 --temperature 0.7",
            "cat letter.txt | grpcllm generate --model embedded --deadline 30s > answer.txt",
            "grpcllm generate - --json --logprobs < prompt.txt",
            "grpcllm generate \"And in winter?\" --system \"Be brief.\" --conversation chat.json --tools tools.json",
        ],
        ["models"] = ["grpcllm models", "grpcllm models --json --address https://llm.example:443"],
        ["count-tokens"] = ["grpcllm count-tokens \"Once upon a time\"", "grpcllm count-tokens - < prompt.txt"],
        ["cancel"] = ["grpcllm cancel my-request-1"],
        ["bench"] =
        [
            "grpcllm bench --model simulator --concurrency 20 --total 200",
            "grpcllm bench --model simulator --rps 50 --arrivals poisson --duration 1m --warmup 5s --slo ttft=300ms --slo tpot=50ms",
            "grpcllm bench --config profile.json --output run.json --output streams.csv",
            "grpcllm bench --dataset prompts.jsonl --shuffle --seed 7 --error-budget 0.01 --append nightly.json",
        ],
        ["calibrate"] = ["grpcllm bench calibrate", "grpcllm bench calibrate --callers 1 --callers 500 --connections 4"],
        ["health"] = ["grpcllm health --address https://llm.example:443", "grpcllm health || echo down"],
    };

    private static readonly string[] InputFiles =
    [
        "conversation  [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", \"parts\": [{\"text\": \"Hello\"}]}]",
        "tools         [{\"name\": \"weather\", \"description\": \"…\", \"parameters\": {\"type\": \"object\"}}]",
    ];

    private static readonly Dictionary<string, string[]> ByInput = new(StringComparer.Ordinal)
    {
        ["generate"] = InputFiles,
        ["count-tokens"] = InputFiles,
    };

    private static readonly (string Name, string Meaning)[] Environment =
    [
        (CommonOptions.AddressVariable, "address of the service, where --address is not given"),
        (CommonOptions.ApiKeyVariable, "key of the caller, sent as authorization: Bearer"),
        ("NO_COLOR", "no colour, if not empty"),
    ];

    public override int Invoke(ParseResult parseResult)
    {
        var result = inner.Invoke(parseResult);
        var output = parseResult.InvocationConfiguration.Output;
        output.WriteLine("Examples:");
        foreach (var example in ByCommand.GetValueOrDefault(parseResult.CommandResult.Command.Name, Everything))
            output.WriteLine($"  {example}");

        if (ByInput.GetValueOrDefault(parseResult.CommandResult.Command.Name) is { } files)
        {
            output.WriteLine();
            output.WriteLine("Files:");
            foreach (var line in files) output.WriteLine($"  {line}");
        }

        output.WriteLine();
        output.WriteLine("Environment:");
        foreach (var (name, meaning) in Environment) output.WriteLine($"  {name,-16} {meaning}");

        output.WriteLine();
        output.WriteLine("Exit codes:");
        foreach (var (code, meaning) in ExitCodes.Documented) output.WriteLine($"  {code,-3}  {meaning}");
        return result;
    }

    /// <summary>Extends the help of a command line.</summary>
    public static void AddTo(RootCommand root)
    {
        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((HelpAction)help.Action!);
    }
}
