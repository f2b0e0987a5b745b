using System.Diagnostics;
using System.Text.RegularExpressions;

namespace GrpcLlm.Benchmarks;

/// <summary>The service as a process of its own, on a port that the system chooses.</summary>
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

    /// <summary>Processor time that it has used since its start.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>Where the ops pages are.</summary>
    public Uri OpsAddress { get; }

    /// <summary>Number of the process.</summary>
    public int Id => _process.Id;

    /// <summary>Starts it and waits until it listens; usage records are not written.</summary>
    /// <param name="settings">Further settings, in the form <c>Key:Sub=value</c>.</param>
    public static Task<ServerProcess> StartAsync(params string[] settings) =>
        StartAsync(environment: null, onLine: null, ["Logging:LogLevel:GrpcLlm.Usage=Warning", .. settings]);

    /// <summary>Starts it and waits until it listens.</summary>
    /// <param name="environment">Name of the environment, which chooses a file of settings; null: the default.</param>
    /// <param name="onLine">Gets each line that it writes, one after another.</param>
    /// <param name="settings">Settings, in the form <c>Key:Sub=value</c>.</param>
    public static async Task<ServerProcess> StartAsync(string? environment, Action<string>? onLine, params string[] settings)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, UseShellExecute = false };
        string[] arguments =
        [
            Path.Combine(Folder, "GrpcLlm.Server.dll"), "--Kestrel:Endpoints:Grpc:Url=http://127.0.0.1:0",
            "--Kestrel:Endpoints:Ops:Url=http://127.0.0.1:0", .. settings.Select(static setting => "--" + setting),
        ];
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        if (environment is not null) start.Environment["DOTNET_ENVIRONMENT"] = environment;
        var listening = new TaskCompletionSource<(Uri Grpc, Uri Ops)>(TaskCreationOptions.RunContinuationsAsynchronously);
        var addresses = new List<Uri>();
        var process = Process.Start(start) ?? throw new InvalidOperationException("The server did not start.");
        process.OutputDataReceived += (_, output) =>
        {
            if (output.Data is null) listening.TrySetException(new InvalidOperationException("The server ended before it listened."));
            else if (addresses.Count < 2 && Listening().Match(output.Data) is { Success: true } match) addresses.Add(new Uri(match.Groups["url"].Value));
            if (addresses.Count == 2) listening.TrySetResult((addresses[0], addresses[1]));
            if (output.Data is not null) onLine?.Invoke(output.Data);
        };
        process.BeginOutputReadLine();
        var (grpc, ops) = await listening.Task;
        return new ServerProcess(process, grpc, ops);
    }

    /// <summary>Where the server was built, beside the program that runs it.</summary>
    public static string Folder { get; } = AppContext.BaseDirectory.Replace(
        typeof(ServerProcess).Assembly.GetName().Name!, "GrpcLlm.Server", StringComparison.Ordinal);

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

    [GeneratedRegex(@"Now listening on: (?<url>http://[\d.:]+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Listening();
}
