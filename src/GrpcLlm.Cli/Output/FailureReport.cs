using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using GrpcLlm.Client;

namespace GrpcLlm.Cli.Output;

/// <summary>
/// Tells a failure on stderr, in at most three lines: what failed, why, what to do next; or as one JSON line. Each method
/// returns the exit code.
/// </summary>
internal sealed class FailureReport(CliConsole console, CommonOptions common)
{
    /// <summary>Quotes and letters of every script as they are: the line goes to a terminal or a parser, never into HTML.</summary>
    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A failed call.</summary>
    public int Write(GenerationException failure)
    {
        var code = ExitCodes.Of(failure);
        if (common.IsJson) WriteJson(JsonFields.Of(failure, code));
        else WriteLines(FailureText.What(failure, Address()), FailureText.Why(failure), FailureText.Next(failure), failure);
        return code;
    }

    /// <summary>A command line that cannot be carried out.</summary>
    public int WriteUsage(string message, Command command)
    {
        var help = command is RootCommand ? "grpcllm --help" : $"grpcllm {PathOf(command)} --help";
        if (common.IsJson) WriteJson(JsonFields.Of("USAGE", message, ExitCodes.Usage));
        else WriteLines("wrong usage", message, $"{help} shows how", exception: null);
        return ExitCodes.Usage;
    }

    /// <summary>Ctrl-C.</summary>
    public int WriteInterrupted()
    {
        if (common.IsJson) WriteJson(JsonFields.Of("INTERRUPTED", "interrupted", ExitCodes.Interrupted));
        else console.Error.WriteLine("grpcllm: interrupted");
        return ExitCodes.Interrupted;
    }

    /// <summary>Anything else.</summary>
    public int WriteUnexpected(string what, Exception exception)
    {
        if (common.IsJson) WriteJson(JsonFields.Of("FAILED", $"{what}: {exception.Message}", ExitCodes.Failed));
        else WriteLines(what, exception.Message, common.IsVerbose ? "" : "--verbose shows where", exception);
        return ExitCodes.Failed;
    }

    /// <summary>A command with those that it stands under: <c>bench calibrate</c>.</summary>
    private static string PathOf(Command command) =>
        command.Parents.OfType<Command>().FirstOrDefault(parent => parent is not RootCommand) is { } parent
            ? $"{PathOf(parent)} {command.Name}"
            : command.Name;

    private string Address()
    {
        try
        {
            return common.AddressIn(console).GetLeftPart(UriPartial.Authority);
        }
        catch (UsageException)
        {
            return "the service";
        }
    }

    private void WriteLines(string what, string why, string next, Exception? exception)
    {
        var first = $"grpcllm: {TerminalText.Line(what)}";
        console.Error.WriteLine(console.Color ? $"\e[31m{first}\e[0m" : first);
        if (why.Length > 0) console.Error.WriteLine($"  why:  {TerminalText.Line(why)}");
        if (next.Length > 0) console.Error.WriteLine($"  next: {TerminalText.Line(next)}");
        if (common.IsVerbose && exception is not null) console.Error.WriteLine(TerminalText.Block(exception.ToString()));
    }

    private void WriteJson(IReadOnlyDictionary<string, object?> fields) =>
        console.Error.WriteLine(JsonSerializer.Serialize(new { error = fields }, Json));
}
