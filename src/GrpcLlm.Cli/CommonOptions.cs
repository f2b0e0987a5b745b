using System.CommandLine;
using GrpcLlm.Client;

namespace GrpcLlm.Cli;

/// <summary>What every command takes.</summary>
/// <param name="AddressText">Value of <c>--address</c>; null if it is not given.</param>
/// <param name="IsJson">Machine-readable output.</param>
/// <param name="IsVerbose">More diagnostics, and the stack of a failure.</param>
internal sealed record CommonOptions(string? AddressText, bool IsJson, bool IsVerbose)
{
    public const string AddressVariable = "GRPCLLM_ADDRESS";
    public const string DefaultAddress = "http://127.0.0.1:50051";

    private const string AddressName = "--address";
    private const string JsonName = "--json";
    private const string VerboseName = "--verbose";

    /// <summary>Gives a command line these options, on every command.</summary>
    public static void AddTo(RootCommand root)
    {
        root.Add(new Option<string?>(AddressName, "-a")
        {
            Description = $"Address of the service. Default: ${AddressVariable}, else {DefaultAddress}.",
            HelpName = "URL",
            Recursive = true,
        });
        root.Add(new Option<bool>(JsonName)
        {
            Description = "Print messages as JSON lines, failures as one JSON line on stderr.",
            Recursive = true,
        });
        root.Add(new Option<bool>(VerboseName, "-v")
        {
            Description = "Tell more: reasoning, attempts, where the time went, whole descriptions, the stack of a failure.",
            Recursive = true,
        });
    }

    /// <summary>The values on a command line, also on one with mistakes elsewhere.</summary>
    public static CommonOptions Of(ParseResult parsed) => new(
        parsed.GetResult(AddressName) is { Errors: var errors } && !errors.Any() ? parsed.GetValue<string?>(AddressName) : null,
        parsed.GetResult(JsonName) is not null && parsed.GetValue<bool>(JsonName),
        parsed.GetResult(VerboseName) is not null && parsed.GetValue<bool>(VerboseName));

    /// <summary>The address in force.</summary>
    /// <exception cref="UsageException">It is no address.</exception>
    public Uri AddressIn(CliConsole console)
    {
        var text = AddressText ?? console.Variable(AddressVariable);
        if (string.IsNullOrWhiteSpace(text)) text = DefaultAddress;

        // host:port, as grpcurl and ghz take it.
        if (!text.Contains("://", StringComparison.Ordinal)) text = "http://" + text;
        return Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is ("http" or "https")
            ? address
            : throw new UsageException($"'{text}' is no address; write http://host:port or https://host:port.");
    }

    /// <summary>A client of the service that the command line names.</summary>
    public GrpcLlmClient CreateClient(CliConsole console) => new(AddressIn(console));
}
