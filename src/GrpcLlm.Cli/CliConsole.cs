using System.Text;
using Microsoft.Win32.SafeHandles;

namespace GrpcLlm.Cli;

/// <summary>What the program reads from and writes to. Tests give writers of their own.</summary>
/// <param name="In">Standard input.</param>
/// <param name="Out">Results.</param>
/// <param name="Error">Diagnostics.</param>
internal sealed record CliConsole(TextReader In, TextWriter Out, TextWriter Error)
{
    /// <summary>The descriptor of standard output on Unix.</summary>
    private const nint StandardOutput = 1;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    /// <summary>Whether input is a file or a pipe, and so a prompt if no other is given.</summary>
    public bool InputIsRedirected { get; init; } = true;

    /// <summary>Whether a person reads the results: then control characters of a model do not reach the terminal.</summary>
    public bool OutputIsTerminal { get; init; }

    /// <summary>Whether diagnostics go to a terminal and may be coloured or animated.</summary>
    public bool Color { get; init; }

    /// <summary>Environment variables.</summary>
    public Func<string, string?> Variable { get; init; } = Environment.GetEnvironmentVariable;

    /// <summary>The console of the process.</summary>
    /// <param name="interrupted">Cancelled by the user's interrupt, after which no write hangs for long.</param>
    public static CliConsole System(CancellationToken interrupted) => new(
        new StreamReader(Console.OpenStandardInput(), Utf8),
        new StreamWriter(OpenOutput(interrupted), Utf8),
        new StreamWriter(Console.OpenStandardError(), Utf8) { AutoFlush = true })
    {
        InputIsRedirected = Console.IsInputRedirected,
        OutputIsTerminal = !Console.IsOutputRedirected,
        Color = !Console.IsErrorRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")),
    };

    /// <summary>
    /// Standard output. The console stream of .NET ignores a closed pipe on Unix; a plain file stream reports it, so
    /// that <c>grpcllm generate … | head</c> ends the generation instead of paying for the rest; and an interrupt ends it even
    /// if nobody reads. Only for what cannot
    /// seek: a file stream keeps a position of its own and would overwrite what others append to the same file.
    /// </summary>
    private static Stream OpenOutput(CancellationToken interrupted)
    {
        if (OperatingSystem.IsWindows()) return Console.OpenStandardOutput();

        // Owned by the writer, which lives as long as the process.
#pragma warning disable CA2000
        var file = new FileStream(new SafeFileHandle(StandardOutput, ownsHandle: false), FileAccess.Write, bufferSize: 0);
#pragma warning restore CA2000
        if (!file.CanSeek) return new InterruptibleOutput(file, InterruptibleOutput.DefaultPatience, interrupted);
        file.Dispose();
        return Console.OpenStandardOutput();
    }
}
