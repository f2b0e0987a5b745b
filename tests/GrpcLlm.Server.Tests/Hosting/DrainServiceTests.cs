using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging.Abstractions;

namespace GrpcLlm.Server.Tests.Hosting;

public sealed class DrainServiceTests : IDisposable
{
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(25);

    private readonly FakeTimeProvider _time = new();
    private readonly LiveCalls _calls = new();
    private readonly Readiness _readiness = new();
    private readonly FakeServer _server = new();

    private readonly AdmissionQueue _admission;

    public DrainServiceTests()
    {
        _admission = new AdmissionQueue(new AdmissionOptions { MaxConcurrent = 1 }, _time);
        _readiness.Set(ready: true);
    }

    [Fact]
    public async Task NothingRuns_StopsTheServerAtOnce()
    {
        _server.Closed.SetResult();

        await Drain().StoppingAsync(CancellationToken.None);

        _readiness.Read().Ready.ShouldBeFalse();
        _readiness.Over.IsCompleted.ShouldBeTrue();
        _server.IsStopped.ShouldBeTrue();
    }

    [Fact]
    public async Task Delay_NewGenerationsAreStillTakenThoughNotReady()
    {
        var stopping = Drain("00:00:10").StoppingAsync(CancellationToken.None);

        _readiness.Read().Ready.ShouldBeFalse();
        using var late = Lifetime();
        var place = _calls.Add(Tenant.Anonymous, "late", late);
        _time.Advance(Delay);
        await _time.HasArmedAsync(1);

        Should.Throw<CallFailureException>(() => _calls.Add(Tenant.Anonymous, "too late", late)).Reason
            .ShouldBe(ErrorReason.Draining);
        place.Dispose();
        _server.Closed.SetResult();
        await stopping;
        late.Cause.ShouldBe(StopCause.None);
    }

    [Fact]
    public async Task GenerationThatFitsTheGrace_IsNotStopped_AndTheServerWaitsForIt()
    {
        using var lifetime = Lifetime();
        var place = _calls.Add(Tenant.Anonymous, "a", lifetime);
        var stopping = Drain().StoppingAsync(CancellationToken.None);
        _time.Advance(Grace - TimeSpan.FromTicks(1));
        _server.IsStopped.ShouldBeFalse();
        _readiness.Over.IsCompleted.ShouldBeFalse();

        place.Dispose();
        _server.Closed.SetResult();

        await stopping;
        lifetime.Cause.ShouldBe(StopCause.None);
    }

    [Fact]
    public async Task GraceOver_TellsTheRestToEnd_AndWaitsForTheirLastMessages()
    {
        using var first = Lifetime();
        using var second = Lifetime();
        var places = new[] { _calls.Add(Tenant.Anonymous, "a", first), _calls.Add(Tenant.Anonymous, "b", second) };
        var stopping = Drain().StoppingAsync(CancellationToken.None);

        _time.Advance(Grace);

        await first.Stopped;
        await second.Stopped;
        (first.Cause, second.Cause).ShouldBe((StopCause.Draining, StopCause.Draining));
        await _time.HasArmedAsync(1);
        _server.IsStopped.ShouldBeFalse();
        foreach (var place in places) place.Dispose();
        _server.Closed.SetResult();
        await stopping;
    }

    [Fact]
    public async Task GenerationThatCannotEnd_AndConnectionThatDoesNotClose_DoNotHoldTheShutdown()
    {
        using var lifetime = Lifetime();
        _calls.Add(Tenant.Anonymous, "a", lifetime);
        var stopping = Drain().StoppingAsync(CancellationToken.None);
        _time.Advance(Grace);
        await lifetime.Stopped;
        await _time.HasArmedAsync(1);

        _time.Advance(DrainService.EndingTime);
        var noMore = await _server.Stopping;
        noMore.IsCancellationRequested.ShouldBeFalse();
        await _time.HasArmedAsync(1);
        _time.Advance(DrainService.ClosingTime);

        noMore.IsCancellationRequested.ShouldBeTrue();
        _server.Closed.SetResult();
        await stopping;
    }

    [Fact]
    public async Task HostHasNoMoreTime_EndsWhatRunsAtOnce()
    {
        using var hurry = new CancellationTokenSource();
        using var lifetime = Lifetime();
        _calls.Add(Tenant.Anonymous, "a", lifetime);
        var stopping = Drain().StoppingAsync(hurry.Token);

        await hurry.CancelAsync();

        (await _server.Stopping).IsCancellationRequested.ShouldBeTrue();
        lifetime.Cause.ShouldBe(StopCause.Draining);
        _readiness.Over.IsCompleted.ShouldBeTrue();
        _server.Closed.SetResult();
        await stopping;
    }

    [Fact]
    public async Task GenerationThatWaitsForAPlace_IsRefusedWhenTheDelayIsOver()
    {
        _server.Closed.SetResult();
        var running = await _admission.EnterAsync(Tenant.Anonymous, null, null, CancellationToken.None);
        var waiting = _admission.EnterAsync(Tenant.Anonymous, null, null, CancellationToken.None).AsTask();

        await Drain().StoppingAsync(CancellationToken.None);

        (await Should.ThrowAsync<CallFailureException>(waiting)).Reason.ShouldBe(ErrorReason.Draining);
        running!.Dispose();
    }

    [Fact]
    public async Task TimesOfTheLastReload_AreThoseThatCount()
    {
        var deployments = new Deployments(DeploymentGiven.Of());
        var drain = Drain(deployments);
        deployments.Replace(DeploymentGiven.Of(("Shutdown:Grace", "00:00:01")));
        using var lifetime = Lifetime();
        var place = _calls.Add(Tenant.Anonymous, "a", lifetime);
        var stopping = drain.StoppingAsync(CancellationToken.None);

        _time.Advance(TimeSpan.FromSeconds(1));

        await lifetime.Stopped;
        place.Dispose();
        _server.Closed.SetResult();
        await stopping;
    }

    public void Dispose()
    {
        _server.Dispose();
        _admission.Dispose();
    }

    private DrainService Drain(string delay = "00:00:00") =>
        Drain(new Deployments(DeploymentGiven.Of(("Shutdown:Delay", delay), ("Shutdown:Grace", "00:00:25"))));

    private DrainService Drain(Deployments deployments) =>
        new(deployments, _readiness, _calls, _admission, _server, _time, NullLogger<DrainService>.Instance);

    private CallLifetime Lifetime() => new(null, _time, CancellationToken.None);

    private sealed class FakeServer : IServer
    {
        private readonly TaskCompletionSource<CancellationToken> _stopping = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public IFeatureCollection Features { get; } = new FeatureCollection();

        /// <summary>Completes when the server is told to stop, with the token that ends its patience.</summary>
        public Task<CancellationToken> Stopping => _stopping.Task;

        public bool IsStopped => _stopping.Task.IsCompleted;

        /// <summary>To be completed when all connections are closed.</summary>
        public TaskCompletionSource Closed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task StartAsync<TContext>(IHttpApplication<TContext> application, CancellationToken cancellationToken)
            where TContext : notnull => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken)
        {
            _stopping.TrySetResult(cancellationToken);
            return Closed.Task;
        }

        public void Dispose()
        {
        }
    }
}
