using System.CommandLine;
using Grpc.Core;
using GrpcLlm.Client;

namespace GrpcLlm.Cli;

/// <summary>What every command takes.</summary>
/// <param name="AddressText">Value of <c>--address</c>; null if it is not given.</param>
/// <param name="IsJson">Machine-readable output.</param>
/// <param name="IsVerbose">More diagnostics, and the stack of a failure.</param>
internal sealed record CommonOptions(string? AddressText, bool IsJson, bool IsVerbose)
{
    public const string AddressVariable = "GRPCLLM_ADDRESS";
    public const string ApiKeyVariable = "GRPCLLM_API_KEY";
    public const string DefaultAddress = "http://127.0.0.1:50051";

    private const string AddressName = "--address";
    private const string JsonName = "--json";
    private const string VerboseName = "--verbose";
    private const string HeaderName = "--header";
    private const string InsecureName = "--allow-insecure-credentials";

    /// <summary>Values of <c>--header</c>, as given.</summary>
    public IReadOnlyList<string> HeaderTexts { get; init; } = [];

    /// <summary>Whether the key may go over plain HTTP to another machine.</summary>
    public bool AllowsInsecureCredentials { get; init; }

    /// <summary>Gives a command line these options, on every command.</summary>
    public static void AddTo(RootCommand root)
    {
        root.Add(new Option<string?>(AddressName, "-a")
        {
            Description = $"Address of the service. Default: ${AddressVariable}, else {DefaultAddress}.",
            HelpName = "URL",
            Recursive = true,
        });
        root.Add(new Option<string[]>(HeaderName, "-H")
        {
            Description = $"Header to send, 'name: value'. Repeatable. The key goes into ${ApiKeyVariable}, where no list of processes shows it.",
            HelpName = "HEADER",
            Recursive = true,
        });
        root.Add(new Option<bool>(InsecureName)
        {
            Description = $"Send ${ApiKeyVariable} over plain HTTP to another machine, where anybody on the way can read it.",
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
        parsed.GetResult(AddressName) is { Errors: var mistakes } && !mistakes.Any() ? parsed.GetValue<string?>(AddressName) : null,
        parsed.GetResult(JsonName) is not null && parsed.GetValue<bool>(JsonName),
        parsed.GetResult(VerboseName) is not null && parsed.GetValue<bool>(VerboseName))
    {
        HeaderTexts = parsed.GetResult(HeaderName) is { Errors: var errors } && !errors.Any() ? parsed.GetValue<string[]>(HeaderName) ?? [] : [],
        AllowsInsecureCredentials = parsed.GetResult(InsecureName) is not null && parsed.GetValue<bool>(InsecureName),
    };

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
    /// <exception cref="UsageException">A header or the key cannot be sent.</exception>
    public GrpcLlmClient CreateClient(CliConsole console) => new(ClientOptionsIn(console));

    /// <summary>How to connect to the service that the command line names: valid, and the caller's own.</summary>
    /// <exception cref="UsageException">A header or the key cannot be sent.</exception>
    public GrpcLlmClientOptions ClientOptionsIn(CliConsole console)
    {
        var headers = HeadersOf(HeaderTexts);
        var options = new GrpcLlmClientOptions
        {
            Address = AddressIn(console),

            // What stands on the command line is meant for this call.
            ApiKey = headers?.Get("authorization") is null && console.Variable(ApiKeyVariable) is { Length: > 0 } key ? key : null,
            AllowInsecureCredentials = AllowsInsecureCredentials,
            Headers = headers,
        };
        var errors = OptionsErrors.Of(options, ownsChannel: true);
        return errors.Count == 0 ? options : throw new UsageException($"${ApiKeyVariable} cannot be used: {string.Join(' ', errors)}");
    }

    private static Metadata? HeadersOf(IReadOnlyList<string> texts)
    {
        if (texts.Count == 0) return null;
        var headers = new Metadata();
        foreach (var text in texts)
        {
            // The value is not repeated: it may be a secret.
            var colon = text.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0) throw new UsageException("A header is no header; write 'name: value'.");
            try
            {
                headers.Add(text[..colon].Trim(), text[(colon + 1)..].Trim());
            }
            catch (ArgumentException)
            {
                throw new UsageException($"'{text[..colon]}' is no name of a header with text.");
            }
        }

        return headers;
    }
}
