using System.Diagnostics;
using System.Diagnostics.Metrics;
using GrpcLlm.Server.Telemetry.Prometheus;
using GrpcLlm.Server.Tests.Testing;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace GrpcLlm.Server.Tests.Telemetry.Prometheus;

public sealed class PrometheusExporterTests : IDisposable
{
    private static int _number;

    private readonly FakeMeterFactory _meters = new();
    private readonly PrometheusExporter _exporter = new();
    private readonly string _name = $"prometheus-test-{Interlocked.Increment(ref _number)}";
    private readonly Meter _meter;
    private readonly MeterProvider _provider;

    public PrometheusExporterTests()
    {
        _meter = _meters.Create(new MeterOptions(_name) { Version = "7" });
        _provider = Sdk.CreateMeterProviderBuilder().AddMeter(_name, "prometheus-second-" + _name)
            .SetResourceBuilder(ResourceBuilder.CreateEmpty().AddAttributes([new("service.name", "grpcllm")]))
            .SetExemplarFilter(ExemplarFilterType.TraceBased)
            .AddReader(new PrometheusReader(_exporter)).Build();
    }

    public void Dispose()
    {
        _provider.Dispose();
        _exporter.Dispose();
        _meters.Dispose();
    }

    [Fact]
    public async Task Scrape_WithoutMetrics_TellsTheTarget() => (await TextAsync()).ShouldBe(
        """
        # HELP target_info What is scraped.
        # TYPE target_info gauge
        target_info{service_name="grpcllm"} 1

        """);

    [Fact]
    public async Task Kinds_AreWrittenEach()
    {
        _meter.CreateCounter<long>("a.count", "{x}", "Counts\nup \\ \"so\".").Add(3, new KeyValuePair<string, object?>("k.1", "v\"\\\n"));
        _meter.CreateCounter<double>("b", "s").Add(0.25);
        _meter.CreateUpDownCounter<long>("c").Add(-2, new KeyValuePair<string, object?>("flag", true));
        _meter.CreateObservableGauge("d", static () => double.NaN, "1");
        _meter.CreateObservableGauge("e", static () => 4L);
        _meter.CreateUpDownCounter<double>("f").Add(1e20);

        (await BodyAsync()).ShouldBe(
            $$"""
            # HELP a_count_total Counts\nup \\ "so".
            # TYPE a_count_total counter
            a_count_total{otel_scope_name="{{_name}}",otel_scope_version="7",k_1="v\"\\\n"} 3
            # TYPE b_seconds_total counter
            b_seconds_total{otel_scope_name="{{_name}}",otel_scope_version="7"} 0.25
            # TYPE c gauge
            c{otel_scope_name="{{_name}}",otel_scope_version="7",flag="true"} -2
            # TYPE d_ratio gauge
            d_ratio{otel_scope_name="{{_name}}",otel_scope_version="7"} NaN
            # TYPE e gauge
            e{otel_scope_name="{{_name}}",otel_scope_version="7"} 4
            # TYPE f gauge
            f{otel_scope_name="{{_name}}",otel_scope_version="7"} 1E+20

            """);
    }

    [Fact]
    public async Task Histogram_CountsUpwards()
    {
        var histogram = _meter.CreateHistogram(
            "h", "s", null, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.5, 1] });
        foreach (var value in (double[])[0.1, 0.5, 0.7, 3]) histogram.Record(value);

        (await BodyAsync()).ShouldBe(
            $$"""
            # TYPE h_seconds histogram
            h_seconds_bucket{otel_scope_name="{{_name}}",otel_scope_version="7",le="0.5"} 2
            h_seconds_bucket{otel_scope_name="{{_name}}",otel_scope_version="7",le="1"} 3
            h_seconds_bucket{otel_scope_name="{{_name}}",otel_scope_version="7",le="+Inf"} 4
            h_seconds_sum{otel_scope_name="{{_name}}",otel_scope_version="7"} 4.3
            h_seconds_count{otel_scope_name="{{_name}}",otel_scope_version="7"} 4

            """);
    }

    [Fact]
    public async Task OpenMetrics_HasExemplarsAndAnEnd()
    {
        using var source = new ActivitySource(_name);
        using var listener = new ActivityListener
        {
            ShouldListenTo = one => one.Name == _name,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(listener);
        _meter.CreateCounter<long>("a").Add(1);
        var histogram = _meter.CreateHistogram(
            "h", "s", null, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.5, 1] });
        string trace;
        using (var activity = source.StartActivity("call")!)
        {
            trace = activity.TraceId.ToHexString();
            histogram.Record(0.7);
        }

        var text = await _exporter.ScrapeAsync(PrometheusFormat.OpenMetrics, TestContext.Current.CancellationToken);

        text.ShouldStartWith("# HELP target What is scraped.\n# TYPE target info\ntarget_info{service_name=\"grpcllm\"} 1\n");
        text.ShouldContain("# TYPE a counter\na_total{");
        text.ShouldContain("le=\"0.5\"} 0\n");
        text.ShouldContain($$"""le="1.0"} 1 # {trace_id="{{trace}}",span_id=""");
        text.ShouldEndWith("# EOF\n");
        (await TextAsync()).ShouldNotContain(trace, Case.Sensitive, "the plain format has no exemplars");
    }

    [Fact]
    public async Task OneName_FromTwoMeters_IsOneFamily()
    {
        _meter.CreateUpDownCounter<long>("c").Add(1);
        var second = _meters.Create(new MeterOptions("prometheus-second-" + _name));
        second.CreateUpDownCounter<long>("c").Add(2);
        second.CreateHistogram<long>("c").Record(2);

        var body = await BodyAsync();

        body.ShouldBe(
            $$"""
            # TYPE c gauge
            c{otel_scope_name="{{_name}}",otel_scope_version="7"} 1
            c{otel_scope_name="prometheus-second-{{_name}}"} 2

            """);
    }

    [Fact]
    public async Task Labels_ThatBecomeOne_AreJoined()
    {
        _meter.CreateUpDownCounter<long>("c").Add(1, new("a.b", "x"), new("a_b", "y"));

        (await BodyAsync()).ShouldContain("a_b=\"x;y\"");
    }

    [Fact]
    public async Task Scrapes_ThatComeTogether_ShareTheNextCollection()
    {
        var collections = 0;
        var first = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var goOn = new ManualResetEventSlim();
        _meter.CreateObservableGauge("g", () =>
        {
            // The first one is held until all others have come.
            if (Interlocked.Increment(ref collections) == 1)
            {
                first.SetResult();
                goOn.Wait(TestContext.Current.CancellationToken);
            }

            return collections;
        });
        var running = Task.Run(TextAsync, TestContext.Current.CancellationToken);
        await first.Task;
        var waiting = Enumerable.Range(0, 50).Select(_ => TextAsync()).ToList();
        goOn.Set();

        (await running).ShouldContain("} 1\n");
        (await Task.WhenAll(waiting)).ShouldAllBe(static text => text.Contains("g{") && text.Contains("} 2\n"));
        collections.ShouldBe(2);
    }

    [Fact]
    public async Task Scrape_AfterTheEnd_IsNothing()
    {
        using var alone = new PrometheusExporter();

        (await alone.ScrapeAsync(PrometheusFormat.Text, TestContext.Current.CancellationToken)).ShouldBeNull();
    }

    private async Task<string> TextAsync() =>
        (await _exporter.ScrapeAsync(PrometheusFormat.Text, TestContext.Current.CancellationToken)).ShouldNotBeNull();

    /// <summary>All but the target.</summary>
    private async Task<string> BodyAsync()
    {
        var text = await TextAsync();
        return text[(text.IndexOf("} 1\n", StringComparison.Ordinal) + 4)..];
    }
}
