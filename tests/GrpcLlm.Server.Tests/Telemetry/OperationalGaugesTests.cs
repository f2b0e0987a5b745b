using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Telemetry;

public sealed class OperationalGaugesTests : IDisposable
{
    private readonly Measured _measured = new();
    private readonly FakeTimeProvider _time = new();
    private readonly AdmissionQueue _queue;
    private readonly List<LanePool> _pools = [];

    public OperationalGaugesTests()
    {
        _queue = new AdmissionQueue(new AdmissionOptions { MaxConcurrent = 1 }, _time);
        _ = new OperationalGauges(_measured.Metrics.Meter, _queue, () => _pools);
        _pools.Add(Lanes.To(new FakeBackend("b") { Keys = [new ApiKey("secret-a", 0), new ApiKey("env:B", 1)] }, time: _time));
    }

    public void Dispose()
    {
        _measured.Dispose();
        _queue.Dispose();
    }

    [Fact]
    public void Healthy_IsClosedAndUsable() => ShouldBe(
        "backend=b key=env:B state=closed", "backend=b key=key1 state=closed",
        "backend=b key=env:B state=usable", "backend=b key=key1 state=usable");

    [Fact]
    public void Key_ThatRestsOrIsRefused_SaysSoByItsLabel()
    {
        _pools[0].Lanes[0].Note(new BackendException(BackendFailure.RateLimited, "429") { RetryAfter = TimeSpan.FromSeconds(7) });
        _pools[0].Lanes[1].Note(new BackendException(BackendFailure.Misconfigured, "401") { KeyRefused = true });
        ShouldBe(
            "backend=b key=env:B state=closed", "backend=b key=key1 state=closed",
            "backend=b key=env:B state=refused", "backend=b key=key1 state=resting");

        _time.Advance(Lane.KeyRest);

        ShouldBe(
            "backend=b key=env:B state=closed", "backend=b key=key1 state=closed",
            "backend=b key=env:B state=usable", "backend=b key=key1 state=usable");
    }

    [Fact]
    public async Task Breaker_ThatOpened_SaysSo()
    {
        var lane = _pools[0].Lanes[0];
        for (var index = 0; index < new ResilienceOptions().BreakerMinimumThroughput; index++)
            await lane.NoteStreamFailureAsync(new BackendException(BackendFailure.Failed, "broke"));

        ShouldBe(
            "backend=b key=env:B state=closed", "backend=b key=key1 state=open",
            "backend=b key=env:B state=usable", "backend=b key=key1 state=usable");
    }

    [Fact]
    public void Backend_ThatAReloadRemoved_IsInNoState()
    {
        ShouldBe(
            "backend=b key=env:B state=closed", "backend=b key=key1 state=closed",
            "backend=b key=env:B state=usable", "backend=b key=key1 state=usable");

        _pools.Clear();

        ShouldBe();
        _measured.Of("grpcllm.upstream.breaker.state").Count.ShouldBe(6, "told once more, as 0");
    }

    [Fact]
    public async Task Queue_TellsWhoRunsAndWhoWaits()
    {
        using var running = await _queue.EnterAsync(Tenant.Anonymous, null, null, CancellationToken.None);
        using var leave = new CancellationTokenSource();
        var waiting = _queue.EnterAsync(Tenant.Anonymous, null, null, leave.Token);

        _measured.Observe();

        _measured.Of("grpcllm.admission.queue.length").ShouldBe(["1"]);
        _measured.Of("grpcllm.admission.queue.limit").ShouldBe(["1024"]);
        _measured.Of("grpcllm.admission.running").ShouldBe(["1"]);
        await leave.CancelAsync();
        (await waiting).ShouldBeNull();
    }

    private void ShouldBe(params string[] series)
    {
        _measured.Observe();
        _measured.SumsOf("grpcllm.upstream.breaker.state").Keys.Concat(_measured.SumsOf("grpcllm.upstream.key.state").Keys)
            .ShouldBe(series, ignoreOrder: true);
    }
}
