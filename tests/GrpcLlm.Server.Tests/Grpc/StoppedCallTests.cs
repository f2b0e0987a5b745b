using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Backends.Simulator;
using GrpcLlm.Server.Grpc;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Grpc;

/// <summary>
/// A call that is told to stop, wherever it waits, is told so and gives back all it holds: not one exception is thrown on
/// the way, since callers may leave by the thousand.
/// </summary>
public sealed class StoppedCallTests : IDisposable
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(1);

    private readonly CallRig _rig = new();
    private readonly AdmissionQueue _queue;
    private readonly CallAdmission _admission;

    public StoppedCallTests()
    {
        _queue = new AdmissionQueue(new AdmissionOptions { MaxConcurrent = 1, MaxQueue = 1 }, _rig.Time);
        _admission = new CallAdmission(_queue);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _queue.Dispose();
        _rig.Dispose();
    }

    [Fact]
    public async Task Admission_Waits()
    {
        using var running = await _queue.EnterAsync(Tenant.Anonymous, null, null, Token);

        await StopAsync(Simulator(new SimulatorOptions()), () => _queue.Waiting.ShouldBe(1));

        _rig.Record.Attempts.ShouldBeEmpty();
        _queue.Waiting.ShouldBe(0);
    }

    [Fact]
    public async Task Admission_ToldBefore()
    {
        _rig.ClientLeaves();

        await StopAsync(Simulator(new SimulatorOptions()));

        _queue.Running.ShouldBe(0);
    }

    [Fact]
    public async Task Simulator_WaitsForASlot()
    {
        var backend = Simulator(new SimulatorOptions { MaxConcurrent = 1 });
        using var slot = backend.Slots.Enter(0);

        await StopAsync(backend, () => backend.Slots.Waiting.ShouldBe(1));

        backend.Slots.Waiting.ShouldBe(0);
    }

    [Fact]
    public async Task Simulator_BeforeTheFirstToken()
    {
        var backend = Simulator(new SimulatorOptions { MaxConcurrent = 1, TimeToFirstToken = Long });

        await StopAsync(backend, () => backend.Slots.FreeSlots.ShouldBe(0));

        backend.Slots.FreeSlots.ShouldBe(1);
    }

    [Fact]
    public async Task Simulator_BeforeARefusal()
    {
        var second = TimeSpan.FromSeconds(1);
        var backend = Simulator(new SimulatorOptions
        {
            PauseEvery = 2 * second, PauseLength = second, Faults = { new SimulatorFaultOptions { Kind = "refused", Rate = 1 } },
        });
        await using (var first = backend.GenerateAsync(new BackendCall(_rig.Request, "m"), Token).GetAsyncEnumerator(Token))
            await Should.ThrowAsync<BackendException>(async () => await first.MoveNextAsync());
        _rig.Time.Advance(2.5 * second);

        await StopAsync(backend);
    }

    [Fact]
    public async Task Simulator_BetweenTokens()
    {
        var backend = Simulator(new SimulatorOptions { MaxConcurrent = 1, InterTokenLatency = Long });

        await StopRelayAsync(backend);

        backend.Slots.FreeSlots.ShouldBe(1);
    }

    [Fact]
    public async Task Embedded_WaitsForASlot()
    {
        await using var backend = Embedded(new EmbeddedBackendOptions { Threads = 1, MaxConcurrent = 1 });
        using var slot = backend.Slots.Enter(1);

        await StopAsync(backend, () => backend.Slots.Waiting.ShouldBe(1));

        backend.Slots.Waiting.ShouldBe(0);
    }

    [Fact]
    public async Task Embedded_Generates()
    {
        await using var backend = Embedded(new EmbeddedBackendOptions { Threads = 1, MaxConcurrent = 1 });

        await StopRelayAsync(backend);

        backend.Slots.FreeSlots.ShouldBe(1);
        backend.Engine.Pages.PagesInUse.ShouldBe(0);
    }

    /// <summary>Stops a call that has no token yet.</summary>
    private async Task StopAsync(IBackend backend, Action? waits = null)
    {
        using var thrown = new ThrownExceptions();
        using (var place = new CallPlace(_rig.Record))
        {
            var opened = Opening(backend, place).OpenAsync(_rig.Writer);
            waits?.Invoke();

            _rig.ClientLeaves();

            (await opened).ShouldBeNull();
        }

        _rig.Record.Attempts.ShouldAllBe(static attempt => attempt.Outcome == AttemptOutcome.Cancelled);
        thrown.Own.ShouldBe(0);
    }

    /// <summary>Stops a call behind its first token.</summary>
    private async Task StopRelayAsync(IBackend backend)
    {
        using var thrown = new ThrownExceptions();
        using (var place = new CallPlace(_rig.Record))
        {
            var answer = await Opening(backend, place).OpenAsync(_rig.Writer);
            var relaying = _rig.Relay.RunAsync(answer!);

            _rig.ClientLeaves();

            (await relaying)!.Reason.ShouldBe(ErrorReason.ClientCancelled);
        }

        thrown.Own.ShouldBe(0);
    }

    private CallOpening Opening(IBackend backend, CallPlace place) => new(
        _admission, new BackendCall(_rig.Request, ""), [new ModelRoute(Lanes.To(backend, time: _rig.Time), "m")], _rig.Record, _rig.States,
        _rig.Lifetime, place);

    private SimulatorBackend Simulator(SimulatorOptions options) => new("simulator", options, _rig.Time);

    private EmbeddedBackend Embedded(EmbeddedBackendOptions options) => new("embedded", options, logger: null, _rig.Time);
}
