using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Telemetry;

public sealed class LoadMonitorTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly AdmissionQueue _queue;
    private readonly LoadMonitor _load;

    public LoadMonitorTests()
    {
        _queue = new AdmissionQueue(new AdmissionOptions { MaxConcurrent = 1 }, _time);
        _load = new LoadMonitor(_queue, new StatusHistory(_time), _time);
    }

    public void Dispose() => _queue.Dispose();

    [Fact]
    public void Report_OfAnIdleServer_IsZero()
    {
        var report = _load.Report();

        report.ApplicationUtilization.ShouldBe(0);
        report.RpsFractional.ShouldBe(0);
        report.Eps.ShouldBe(0);
        report.NamedMetrics.Values.ShouldAllBe(static value => value == 0);
    }

    [Fact]
    public async Task Report_TellsWhoRunsAndWhoWaits()
    {
        using var running = await _queue.EnterAsync(Tenant.Anonymous, null, null, CancellationToken.None);
        var waiting = _queue.EnterAsync(Tenant.Anonymous, null, null, CancellationToken.None);

        var report = _load.Report();

        report.ApplicationUtilization.ShouldBe(1);
        report.NamedMetrics[LoadMonitor.ActiveStreams].ShouldBe(1);
        report.NamedMetrics[LoadMonitor.QueuedStreams].ShouldBe(1);
        running!.Dispose();
        (await waiting)!.Dispose();
    }

    [Fact]
    public void Rates_AreOfTheLastTenSeconds()
    {
        _load.Began();
        _load.Failed();
        _load.Sent(500);
        _load.Report().NamedMetrics[LoadMonitor.TokensPerSecond].ShouldBe(500);

        _time.Advance(TimeSpan.FromSeconds(4));
        _load.Sent(500);
        _load.Report().NamedMetrics[LoadMonitor.TokensPerSecond].ShouldBe(250);
        _load.Report().RpsFractional.ShouldBe(0.25);
        _load.Report().Eps.ShouldBe(0.25);

        _time.Advance(TimeSpan.FromSeconds(6));
        _load.Report().RpsFractional.ShouldBe(0);
        _load.Report().NamedMetrics[LoadMonitor.TokensPerSecond].ShouldBe(500 / 9.0);

        _time.Advance(TimeSpan.FromSeconds(60));
        _load.Report().NamedMetrics[LoadMonitor.TokensPerSecond].ShouldBe(0);
    }

    [Fact]
    public void ConcurrentCounts_AreAllCounted()
    {
        Parallel.For(0, 10_000, _ => _load.Sent(3));

        _load.Report().NamedMetrics[LoadMonitor.TokensPerSecond].ShouldBe(30_000);
    }
}
