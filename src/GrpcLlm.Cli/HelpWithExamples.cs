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
        ],
        ["models"] = ["grpcllm models", "grpcllm models --json --address https://llm.example:443"],
        ["count-tokens"] = ["grpcllm count-tokens \"Once upon a time\"", "grpcllm count-tokens - < prompt.txt"],
        ["cancel"] = ["grpcllm cancel my-request-1"],
    };

    public override int Invoke(ParseResult parseResult)
    {
        var result = inner.Invoke(parseResult);
        var output = parseResult.InvocationConfiguration.Output;
        output.WriteLine("Examples:");
        foreach (var example in ByCommand.GetValueOrDefault(parseResult.CommandResult.Command.Name, Everything))
            output.WriteLine($"  {example}");

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
