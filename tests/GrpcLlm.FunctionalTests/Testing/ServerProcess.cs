using System.Diagnostics;
using System.Threading.Channels;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>The built server as a process of its own, for what only a process shows: signals, exit codes, standard error.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    private const string Listening = "Now listening on: ";

    private readonly Process _process;
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();

    private ServerProcess(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, line) => Note(line.Data);
        process.ErrorDataReceived += (_, line) => Note(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();

        void Note(string? line)
        {
            if (line is not null) _lines.Writer.TryWrite(line);
        }
    }

    /// <summary>Where gRPC is served.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>Where the ops pages are served.</summary>
    public Uri OpsAddress { get; private set; } = null!;

    /// <summary>Starts the server and waits until it listens.</summary>
    /// <param name="settings">Further settings, in the form <c>Key:Sub=value</c>.</param>
    public static async Task<ServerProcess> StartAsync(params string[] settings)
    {
        var server = Launch(null,
        [
            "Kestrel:Endpoints:Grpc:Url=http://127.0.0.1:0", "Kestrel:Endpoints:Ops:Url=http://127.0.0.1:0", .. settings,
        ]);
        server.Address = await server.NextAddressAsync();
        server.OpsAddress = await server.NextAddressAsync();
        return server;
    }

    /// <summary>Starts the server, whatever comes of it.</summary>
    /// <param name="environment">Name of the environment, which chooses the file of settings; null: the default.</param>
    /// <param name="settings">Settings, in the form <c>Key:Sub=value</c>.</param>
    public static ServerProcess Launch(string? environment, params string[] settings)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!.EndsWith("dotnet", StringComparison.Ordinal) ? Environment.ProcessPath : "dotnet")
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "GrpcLlm.Server.dll"));
        foreach (var setting in settings) start.ArgumentList.Add("--" + setting);
        if (environment is not null) start.Environment["DOTNET_ENVIRONMENT"] = environment;
        return new ServerProcess(Process.Start(start)!);
    }

    /// <summary>Sends a signal by its name, such as <c>TERM</c>.</summary>
    public async Task SignalAsync(string name)
    {
        using var kill = Process.Start("sh", ["-c", $"kill -{name} {_process.Id}"]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        kill.ExitCode.ShouldBe(0);
    }

    /// <summary>Waits for the end of the process.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> ExitAsync()
    {
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return _process.ExitCode;
    }

    /// <summary>What it has written since it was asked last; all of it after the end.</summary>
    public IReadOnlyList<string> TakeLines()
    {
        var lines = new List<string>();
        while (_lines.Reader.TryRead(out var line)) lines.Add(line);
        return lines;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
    }

    private async Task<Uri> NextAddressAsync()
    {
        await foreach (var line in _lines.Reader.ReadAllAsync(TestContext.Current.CancellationToken))
        {
            var at = line.IndexOf(Listening, StringComparison.Ordinal);
            if (at >= 0) return new Uri(line[(at + Listening.Length)..]);
        }

        throw new InvalidOperationException("The server ended before it listened.");
    }
}
