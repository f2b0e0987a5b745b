using System.Globalization;
using System.Net;
using System.Net.Sockets;
using GrpcLlm.Benchmarks;

namespace GrpcLlm.Soak;

/// <summary>The server as a process, which is stopped and started again at the same address while it is called.</summary>
internal sealed class ServerUnderTest : IAsyncDisposable
{
    /// <summary>Time after a start in which a call may still meet what the stop left behind.</summary>
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(2);

    private readonly string[] _settings;
    private readonly HttpClient _http = new();
    private readonly ErrorLog _log = new();
    private readonly List<(long From, long To)> _stops = [];
    private ServerProcess? _process;
    private long _recordsBefore;
    private int _reloads;
    private int _rejections;

    private ServerUnderTest(string[] settings, Uri address)
    {
        _settings = settings;
        Address = address;
    }

    /// <summary>Where gRPC is served, by whichever process.</summary>
    public Uri Address { get; }

    public UsageRecords Records { get; } = new();

    /// <summary>Error logs that nothing here explains.</summary>
    public IReadOnlyCollection<string> Errors => _log.Unexpected;

    /// <summary>Configurations that were taken over, and those that were not.</summary>
    public (int Taken, int Rejected) Reloads => (Volatile.Read(ref _reloads), Volatile.Read(ref _rejections));

    /// <summary>Restarts so far.</summary>
    public int Restarts { get; private set; }

    /// <summary>Exit codes of those that were stopped and are not 0.</summary>
    public List<int> BadExits { get; } = [];

    /// <summary>Records of the process that runs now.</summary>
    public long RecordsOfThisProcess => Records.Count - Volatile.Read(ref _recordsBefore);

    public static async Task<ServerUnderTest> StartAsync()
    {
        var (grpc, ops) = (FreePort(), FreePort());
        var server = new ServerUnderTest(
            [
                $"Kestrel:Endpoints:Grpc:Url=http://127.0.0.1:{grpc}", $"Kestrel:Endpoints:Ops:Url=http://127.0.0.1:{ops}",
                "Logging:LogLevel:Microsoft.AspNetCore=Error",
            ],
            new Uri($"http://127.0.0.1:{grpc}"));
        await server.LaunchAsync();
        return server;
    }

    /// <summary>Stops it as an operator does, and starts the next one.</summary>
    public async Task RestartAsync()
    {
        lock (_stops) _stops.Add((TimeProvider.System.GetTimestamp(), long.MaxValue));
        await StopAsync();
        Volatile.Write(ref _recordsBefore, Records.Count);
        await LaunchAsync();
        var end = TimeProvider.System.GetTimestamp() + (long)(Slack.TotalSeconds * TimeProvider.System.TimestampFrequency);
        lock (_stops) _stops[^1] = (_stops[^1].From, end);
        Restarts++;
    }

    /// <summary>Stops it for good.</summary>
    public async Task StopAsync()
    {
        if (_process is null) return;
        var exit = await _process.StopAsync();
        if (exit != 0) BadExits.Add(exit);
        await _process.DisposeAsync();
        _process = null;
    }

    /// <summary>Whether it was stopped at some time from then to then.</summary>
    public bool WasStopped(long from, long to)
    {
        lock (_stops) return _stops.Exists(stop => from < stop.To && to > stop.From);
    }

    /// <summary>The sum of a metric over all its labels; 0 if it is not there.</summary>
    public async Task<double> MetricAsync(string name) => Sum(await MetricsAsync(), name);

    /// <summary>Memory and file descriptors now; null while it is stopped.</summary>
    public async Task<Sample?> SampleAsync()
    {
        if (_process is not { } process) return null;
        try
        {
            var metrics = await MetricsAsync();
            var status = await File.ReadAllLinesAsync($"/proc/{process.Id}/status");
            var resident = status.First(static line => line.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
            return new Sample(
                process.Id, double.Parse(resident, CultureInfo.InvariantCulture) * 1024, Sum(metrics, "dotnet_gc_last_collection_heap_size_bytes"),
                Directory.GetFileSystemEntries($"/proc/{process.Id}/fd").Length);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or InvalidOperationException)
        {
            // It is being stopped.
            return null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null) await _process.DisposeAsync();
        _http.Dispose();
    }

    private async Task LaunchAsync() => _process = await ServerProcess.StartAsync(SoakSettings.EnvironmentName, Note, _settings);

    private async Task<string> MetricsAsync() => await _http.GetStringAsync(new Uri(_process!.OpsAddress, "/metrics"));

    private static double Sum(string metrics, string name) => metrics.Split('\n')
        .Where(line => line.StartsWith(name, StringComparison.Ordinal) && line.Length > name.Length && line[name.Length] is '{' or ' ')
        .Sum(static line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));

    private void Note(string line)
    {
        Records.Note(line);
        if (line.Contains("The configuration was reloaded", StringComparison.Ordinal)) Interlocked.Increment(ref _reloads);
        if (line.Contains("The changed configuration cannot be served", StringComparison.Ordinal)) Interlocked.Increment(ref _rejections);

        _log.Note(line);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}

/// <summary>What a process takes.</summary>
/// <param name="Process">Its number.</param>
/// <param name="ResidentBytes">Resident set.</param>
/// <param name="HeapBytes">Managed heap behind the last collection.</param>
/// <param name="Descriptors">Open file descriptors.</param>
internal sealed record Sample(int Process, double ResidentBytes, double HeapBytes, int Descriptors);
