using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// What telemetry costs at full flood: one server exports to a collector and is scraped, both every second, another one has
/// telemetry off. In turns, in one run; the ratios are the result. Processor time is the steadier one on a busy machine.
/// </summary>
internal static class TelemetryBenchmark
{
    private const int WarmUp = 40;

    // Many short ones: on a busy machine two neighbours in time are alike, two long stretches are not.
    private const int Rounds = 200;
    private const int Callers = 16;
    private const int TokensPerStream = 2000;

    public static async Task RunAsync()
    {
        using var collector = new Collector();
        await using var on = await ServerProcess.StartAsync(
            "GrpcLlm:Backends:sim:Kind=simulator", "GrpcLlm:Models:bench:Routes:0:Backend=sim",
            $"OTEL_EXPORTER_OTLP_ENDPOINT={collector.Address}", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
            "OTEL_METRIC_EXPORT_INTERVAL=1000");
        await using var off = await ServerProcess.StartAsync(
            "GrpcLlm:Backends:sim:Kind=simulator", "GrpcLlm:Models:bench:Routes:0:Backend=sim", "OTEL_SDK_DISABLED=true");
        using var withIt = new Side(on);
        using var without = new Side(off);
        using var scraper = new Scraper(on.OpsAddress);

        // The first scrapes and exports wait for the compiler, which a server that runs for days does not notice.
        for (var scrape = 0; scrape < 200; scrape++) await scraper.ScrapeAsync();
        for (var round = 0; round < WarmUp; round++)
        {
            await withIt.FloodAsync();
            await without.FloodAsync();
        }

        withIt.Forget();
        without.Forget();
        for (var round = 0; round < Rounds; round++)
        {
            // Who goes first changes, so that a machine that slows down or speeds up favours nobody.
            await (round % 2 == 0 ? withIt : without).FloodAsync();
            await (round % 2 == 0 ? without : withIt).FloodAsync();
        }

        var total = withIt.Rates.Sum(static rate => 1 / rate) / without.Rates.Sum(static rate => 1 / rate);
        var ratios = withIt.Rates.Zip(without.Rates, static (one, other) => one / other).ToList();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"telemetry: {Environment.ProcessorCount} cores; {Callers} callers, {Rounds} rounds of {TokensPerStream} chunks a stream; {collector.Exports} exports, {scraper.Scrapes} scrapes"));
        Print("on", withIt);
        Print("off", without);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  on to off: chunks a second {1 / total:0.000} in all, {Statistics.Percentile(ratios, 0.5):0.000} by the median of rounds (quartiles {Statistics.Percentile(ratios, 0.25):0.000} to {Statistics.Percentile(ratios, 0.75):0.000}); processor time {withIt.MicrosecondsPerChunk / without.MicrosecondsPerChunk:0.000}"));
    }

    private static void Print(string name, Side side) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"  {name,-3} {Statistics.Percentile(side.Rates, 0.5),8:0} chunks a second (median), {side.MicrosecondsPerChunk:0.00} us of the server's processor time a chunk"));

    /// <summary>One of the two servers, and what it did.</summary>
    private sealed class Side(ServerProcess server) : IDisposable
    {
        private readonly GrpcCaller _caller = new("", server.Address, "bench");
        private TimeSpan _used;

        public List<double> Rates { get; } = [];

        public double MicrosecondsPerChunk => _used.TotalMicroseconds / (Rates.Count * Callers * (double)TokensPerStream);

        public async Task FloodAsync()
        {
            // While it floods, so the other side's turn does not count; exports and scrapes of that time do.
            var before = server.ProcessorTime;
            Rates.Add((await RelayBenchmark.FloodAsync(_caller, Callers, TokensPerStream)).Rate);
            _used += server.ProcessorTime - before;
        }

        public void Forget()
        {
            Rates.Clear();
            _used = TimeSpan.Zero;
        }

        public void Dispose() => _caller.Dispose();
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
        private readonly Uri _url;
        private readonly PeriodicTimer _timer = new(TimeSpan.FromSeconds(1), TimeProvider.System);
        private int _scrapes;

        public Scraper(Uri opsAddress)
        {
            _url = new Uri(opsAddress, "/metrics");
            _ = EverySecondAsync();
        }

        public int Scrapes => Volatile.Read(ref _scrapes);

        public void Dispose()
        {
            _timer.Dispose();
            _http.Dispose();
        }

        public async Task ScrapeAsync()
        {
            await _http.GetStringAsync(_url);
            Interlocked.Increment(ref _scrapes);
        }

        private async Task EverySecondAsync()
        {
            while (await _timer.WaitForNextTickAsync()) await ScrapeAsync();
        }
    }
}
