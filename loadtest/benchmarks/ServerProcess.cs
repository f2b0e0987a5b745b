using System.Diagnostics;
using System.Text.RegularExpressions;

namespace GrpcLlm.Benchmarks;

/// <summary>A server as a process of its own, on ports that the system chooses.</summary>
internal sealed partial class ServerProcess : IAsyncDisposable
{
    private readonly Process _process;

    private ServerProcess(Process process, Uri address, Uri opsAddress)
    {
        _process = process;
        Address = address;
        OpsAddress = opsAddress;
    }

    public Uri Address { get; }

    /// <summary>Where the ops pages are.</summary>
    public Uri OpsAddress { get; }

    /// <summary>Number of the process.</summary>
    public int Id => _process.Id;

    /// <summary>Processor time that it has used since its start.</summary>
    public TimeSpan ProcessorTime => ProcessUse.ProcessorTime(_process.Id);

    /// <summary>Bytes of memory that it holds.</summary>
    public long ResidentBytes => ProcessUse.ResidentBytes(_process.Id);

    /// <summary>Where the service was built, beside the program that runs it.</summary>
    public static string BuiltFolder { get; } = AppContext.BaseDirectory.Replace(
        typeof(ServerProcess).Assembly.GetName().Name!, "GrpcLlm.Server", StringComparison.Ordinal);

    /// <summary>Starts the service and waits until it listens; usage records are not written.</summary>
    /// <param name="settings">Further settings, in the form <c>Key:Sub=value</c>.</param>
    public static Task<ServerProcess> StartAsync(params string[] settings) => StartFromAsync(BuiltFolder, settings);

    /// <summary>Starts the service from another folder: another build of it, or a published one.</summary>
    public static Task<ServerProcess> StartFromAsync(string folder, params string[] settings) => StartServiceAsync(
        folder, environment: null, onLine: null, ["Logging:LogLevel:GrpcLlm.Usage=Warning", .. settings]);

    /// <summary>Starts the service and waits until it listens.</summary>
    /// <param name="environment">Name of the environment, which chooses a file of settings; null: the default.</param>
    /// <param name="onLine">Gets each line that it writes, one after another.</param>
    /// <param name="settings">Settings, in the form <c>Key:Sub=value</c>.</param>
    public static Task<ServerProcess> StartAsync(string? environment, Action<string>? onLine, params string[] settings) =>
        StartServiceAsync(BuiltFolder, environment, onLine, settings);

    /// <summary>Starts any server and waits until it listens.</summary>
    /// <param name="start">The program.</param>
    /// <param name="listeners">Addresses that it tells; the last one is where the ops pages are.</param>
    /// <param name="onLine">Gets each line that it writes, one after another.</param>
    /// <exception cref="InvalidOperationException">It ended before.</exception>
    public static async Task<ServerProcess> StartAsync(ProcessStartInfo start, int listeners, Action<string>? onLine = null)
    {
        start.RedirectStandardOutput = true;
        start.UseShellExecute = false;
        var listening = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var addresses = new List<Uri>();
        var process = Process.Start(start) ?? throw new InvalidOperationException("The server did not start.");
        process.OutputDataReceived += (_, output) =>
        {
            if (output.Data is { } line) onLine?.Invoke(line);
            if (listening.Task.IsCompleted) return;
            if (output.Data is null) listening.TrySetException(new InvalidOperationException("The server ended before it listened."));
            else if (Listening().Match(output.Data) is { Success: true } match) addresses.Add(new Uri(match.Groups["url"].Value));
            if (addresses.Count == listeners) listening.TrySetResult();
        };
        process.BeginOutputReadLine();
        await listening.Task;
        return new ServerProcess(process, addresses[0], addresses[^1]);
    }

    /// <summary>Tells it to stop (SIGTERM) and waits until it has.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> StopAsync()
    {
        using var kill = Process.Start("sh", ["-c", $"kill -TERM {_process.Id}"]);
        await kill.WaitForExitAsync();
        await _process.WaitForExitAsync();
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private static Task<ServerProcess> StartServiceAsync(
        string folder, string? environment, Action<string>? onLine, string[] settings)
    {
        var start = new ProcessStartInfo(
            "dotnet",
            [
                Path.Combine(folder, "GrpcLlm.Server.dll"), "--Kestrel:Endpoints:Grpc:Url=http://127.0.0.1:0",
                "--Kestrel:Endpoints:Ops:Url=http://127.0.0.1:0", .. settings.Select(static setting => "--" + setting),
            ]);
        if (environment is not null) start.Environment["DOTNET_ENVIRONMENT"] = environment;
        return StartAsync(start, listeners: 2, onLine);
    }

    [GeneratedRegex(@"Now listening on: (?<url>http://[\d.:]+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Listening();
}
