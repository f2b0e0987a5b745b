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

    public static async Task<ServerProcess> StartAsync(params string[] settings)
    {
        var folder = AppContext.BaseDirectory.Replace("GrpcLlm.Benchmarks", "GrpcLlm.Server", StringComparison.Ordinal);
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, UseShellExecute = false };
        string[] arguments =
        [
            Path.Combine(folder, "GrpcLlm.Server.dll"), "--Kestrel:Endpoints:Grpc:Url=http://127.0.0.1:0",
            "--Kestrel:Endpoints:Ops:Url=http://127.0.0.1:0", "--Logging:LogLevel:GrpcLlm.Usage=Warning",
            .. settings.Select(static setting => "--" + setting),
        ];
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        var listening = new TaskCompletionSource<(Uri Grpc, Uri Ops)>(TaskCreationOptions.RunContinuationsAsynchronously);
        var addresses = new List<Uri>();
        var process = Process.Start(start) ?? throw new InvalidOperationException("The server did not start.");
        process.OutputDataReceived += (_, output) =>
        {
            if (output.Data is null) listening.TrySetException(new InvalidOperationException("The server ended before it listened."));
            else if (Listening().Match(output.Data) is { Success: true } match) addresses.Add(new Uri(match.Groups["url"].Value));
            if (addresses.Count == 2) listening.TrySetResult((addresses[0], addresses[1]));
        };
        process.BeginOutputReadLine();
        var (grpc, ops) = await listening.Task;
        return new ServerProcess(process, grpc, ops);
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    [GeneratedRegex(@"Now listening on: (?<url>http://[\d.:]+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Listening();
}
