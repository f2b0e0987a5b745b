namespace GrpcLlm.Cli;

/// <summary>Where a prompt comes from: the command line, or standard input.</summary>
internal static class PromptInput
{
    /// <summary>Reads the prompt.</summary>
    /// <param name="argument">What stands on the command line: the prompt, <c>-</c> for standard input, or nothing.</param>
    /// <param name="console">The console.</param>
    /// <param name="cancellationToken">Stops waiting for input.</param>
    /// <exception cref="UsageException">There is none.</exception>
    public static async Task<string> ReadAsync(string? argument, CliConsole console, CancellationToken cancellationToken)
    {
        if (argument is not (null or "-")) return argument;
        if (argument is null && !console.InputIsRedirected) throw new UsageException("A prompt is needed.");

        // A read of the terminal cannot be cancelled, only left alone.
        var text = await console.In.ReadToEndAsync(CancellationToken.None).WaitAsync(cancellationToken);

        // The line break that ends a file is not part of the prompt; a model would continue after it.
        if (text.EndsWith('\n')) text = text[..^1];
        if (text.EndsWith('\r')) text = text[..^1];
        return text.Length > 0 ? text : throw new UsageException("A prompt is needed; standard input is empty.");
    }
}
