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

    /// <summary>Told each line that it writes, from the time it listens.</summary>
    public Action<string>? Wrote { get; set; }

    /// <summary>Processor time that it has used since its start.</summary>
    public TimeSpan ProcessorTime => ProcessUse.ProcessorTime(_process.Id);

    /// <summary>Bytes of memory that it holds.</summary>
    public long ResidentBytes => ProcessUse.ResidentBytes(_process.Id);

    /// <summary>Where the ops pages are.</summary>
    public Uri OpsAddress { get; }

    /// <summary>Starts the service as it was built with the benchmarks.</summary>
    public static Task<ServerProcess> StartAsync(params string[] settings) => StartFromAsync(BuiltFolder, settings);

    /// <summary>Starts the service from another folder: another build of it, or a published one.</summary>
    public static Task<ServerProcess> StartFromAsync(string folder, params string[] settings)
    {
        string[] arguments =
        [
            "--Kestrel:Endpoints:Grpc:Url=http://127.0.0.1:0",
            "--Kestrel:Endpoints:Ops:Url=http://127.0.0.1:0", "--Logging:LogLevel:GrpcLlm.Usage=Warning",
            .. settings.Select(static setting => "--" + setting),
        ];
        return StartAsync("dotnet", [Path.Combine(folder, "GrpcLlm.Server.dll"), .. arguments], listeners: 2);
    }

    /// <summary>Starts the yardstick.</summary>
    /// <param name="upstream">Where its model <c>relay</c> leads.</param>
    public static Task<ServerProcess> StartBareAsync(Uri upstream) => StartAsync(
        "dotnet", [typeof(BareServer).Assembly.Location, Program.BareServerCommand, upstream.ToString()], listeners: 1);

    /// <summary>Where the service was built to, beside the benchmarks.</summary>
    public static string BuiltFolder =>
        AppContext.BaseDirectory.Replace("GrpcLlm.Benchmarks", "GrpcLlm.Server", StringComparison.Ordinal);

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private static async Task<ServerProcess> StartAsync(string program, string[] arguments, int listeners)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, UseShellExecute = false };
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        var listening = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var addresses = new List<Uri>();
        var process = Process.Start(start) ?? throw new InvalidOperationException("The server did not start.");
        ServerProcess? server = null;
        process.OutputDataReceived += (_, output) =>
        {
            if (output.Data is { } line) Volatile.Read(ref server)?.Wrote?.Invoke(line);
            if (listening.Task.IsCompleted) return;
            if (output.Data is null) listening.TrySetException(new InvalidOperationException("The server ended before it listened."));
            else if (Listening().Match(output.Data) is { Success: true } match) addresses.Add(new Uri(match.Groups["url"].Value));
            if (addresses.Count == listeners) listening.TrySetResult();
        };
        process.BeginOutputReadLine();
        await listening.Task;
        Volatile.Write(ref server, new ServerProcess(process, addresses[0], addresses[^1]));
        return server;
    }

    [GeneratedRegex(@"Now listening on: (?<url>http://[\d.:]+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Listening();
}
