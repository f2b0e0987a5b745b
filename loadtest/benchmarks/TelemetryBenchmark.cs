using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// What telemetry costs at full flood: one server exports to a collector and is scraped, both every second, another one has
/// telemetry off. In turns, in one run; the ratio is the result.
/// </summary>
internal static class TelemetryBenchmark
{
    private const int Rounds = 9;
    private const int Callers = 16;
    private const int TokensPerStream = 4000;

    public static async Task RunAsync()
    {
        using var collector = new Collector();
        await using var on = await ServerProcess.StartAsync(
            "GrpcLlm:Backends:sim:Kind=simulator", "GrpcLlm:Models:bench:Routes:0:Backend=sim",
            $"OTEL_EXPORTER_OTLP_ENDPOINT={collector.Address}", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
            "OTEL_METRIC_EXPORT_INTERVAL=1000");
        await using var off = await ServerProcess.StartAsync(
            "GrpcLlm:Backends:sim:Kind=simulator", "GrpcLlm:Models:bench:Routes:0:Backend=sim", "OTEL_SDK_DISABLED=true");
        using var callOn = new GrpcCaller("on", on.Address, "bench");
        using var callOff = new GrpcCaller("off", off.Address, "bench");
        using var scraper = new Scraper(on.OpsAddress);
        for (var round = 0; round < 3; round++)
        {
            await RelayBenchmark.FloodAsync(callOn, Callers, TokensPerStream);
            await RelayBenchmark.FloodAsync(callOff, Callers, TokensPerStream);
        }

        var ratios = new List<double>();
        var rates = (On: new List<double>(), Off: new List<double>());
        for (var round = 0; round < Rounds; round++)
        {
            // Who goes first changes, so that a machine that slows down or speeds up favours nobody.
            var first = round % 2 == 0 ? callOn : callOff;
            var second = round % 2 == 0 ? callOff : callOn;
            var one = await RelayBenchmark.FloodAsync(first, Callers, TokensPerStream);
            var two = await RelayBenchmark.FloodAsync(second, Callers, TokensPerStream);
            var (withIt, without) = round % 2 == 0 ? (one, two) : (two, one);
            rates.On.Add(withIt);
            rates.Off.Add(without);
            ratios.Add(withIt / without);
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"telemetry: {Environment.ProcessorCount} cores; {Callers} callers, {Rounds} rounds of {TokensPerStream} chunks a stream; {collector.Exports} exports, {scraper.Scrapes} scrapes"));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  on  {RelayBenchmark.Percentile(rates.On, 0.5),10:0} chunks a second, median"));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  off {RelayBenchmark.Percentile(rates.Off, 0.5),10:0} (on to off, by round: median {RelayBenchmark.Percentile(ratios, 0.5):0.000}, {ratios.Min():0.000} to {ratios.Max():0.000})"));
    }

    /// <summary>Takes OTLP over HTTP and throws it away.</summary>
    private sealed class Collector : IDisposable
    {
        private readonly HttpListener _listener = new();
        private int _exports;

        public Collector()
        {
            using var probe = new TcpListener(IPAddress.Loopback, 0);
            probe.Start();
            Address = new Uri($"http://127.0.0.1:{((IPEndPoint)probe.LocalEndpoint).Port}/");
            probe.Stop();
            _listener.Prefixes.Add(Address.ToString());
            _listener.Start();
            _ = ServeAsync();
        }

        public Uri Address { get; }

        public int Exports => Volatile.Read(ref _exports);

        public void Dispose() => _listener.Close();

        private async Task ServeAsync()
        {
            try
            {
                while (true)
                {
                    var context = await _listener.GetContextAsync();
                    await context.Request.InputStream.CopyToAsync(Stream.Null);
                    Interlocked.Increment(ref _exports);
                    context.Response.Close();
                }
            }
            catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException)
            {
                // The benchmark is over.
            }
        }
    }

    /// <summary>Asks for the metrics every second.</summary>
    private sealed class Scraper : IDisposable
    {
        private readonly HttpClient _http = new();
        private readonly PeriodicTimer _timer = new(TimeSpan.FromSeconds(1), TimeProvider.System);
        private int _scrapes;

        public Scraper(Uri opsAddress) => _ = ScrapeAsync(new Uri(opsAddress, "/metrics"));

        public int Scrapes => Volatile.Read(ref _scrapes);

        public void Dispose()
        {
            _timer.Dispose();
            _http.Dispose();
        }

        private async Task ScrapeAsync(Uri url)
        {
            while (await _timer.WaitForNextTickAsync())
            {
                await _http.GetStringAsync(url);
                Interlocked.Increment(ref _scrapes);
            }
        }
    }
}
