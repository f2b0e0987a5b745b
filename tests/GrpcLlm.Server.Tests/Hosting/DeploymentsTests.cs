using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;
using Microsoft.Extensions.Logging.Abstractions;

namespace GrpcLlm.Server.Tests.Hosting;

public sealed class DeploymentsTests
{
    [Fact]
    public async Task Replace_NobodyUsesTheOldOne_ClosesItsBackendsAtOnce()
    {
        var (old, kept, gone) = (new Backend(), Shared(), Shared());
        await using var deployments = new Deployments(Holding(Shared(old), kept));

        deployments.Replace(Holding(kept, gone));

        await old.Closed;
        old.Closings.ShouldBe(1);
        Of(kept).Closings.ShouldBe(0);
        Of(gone).Closings.ShouldBe(0);
    }

    [Fact]
    public async Task Replace_ACallStillRuns_ClosesWithTheLastCall()
    {
        var old = Shared();
        await using var deployments = new Deployments(Holding(old));
        var first = deployments.Acquire();
        var second = deployments.Acquire();

        deployments.Replace(Holding(Shared()));

        Of(old).Closings.ShouldBe(0);
        first.Dispose();
        Of(old).Closings.ShouldBe(0);
        second.Dispose();
        await Of(old).Closed;
    }

    [Fact]
    public async Task Replace_SharedOverSeveralDeployments_ClosesWithTheLastThatHoldsIt()
    {
        var shared = Shared();
        await using var deployments = new Deployments(Holding(shared));
        var first = deployments.Acquire();
        deployments.Replace(Holding(shared));
        var second = deployments.Acquire();
        deployments.Replace(Holding(Shared()));

        second.Dispose();
        Of(shared).Closings.ShouldBe(0);
        first.Dispose();

        await Of(shared).Closed;
        Of(shared).Closings.ShouldBe(1);
    }

    [Fact]
    public async Task Acquire_SeesTheNewOneAfterReplace()
    {
        var next = Holding(Shared());
        await using var deployments = new Deployments(Holding(Shared()));
        using var running = deployments.Acquire();
        var before = running.Deployment;

        deployments.Replace(next);

        using var later = deployments.Acquire();
        later.Deployment.ShouldBeSameAs(next);
        running.Deployment.ShouldBeSameAs(before);
    }

    [Fact]
    public async Task Dispose_ClosesAllOnce_EvenThoseThatCallsStillUse()
    {
        var (old, shared, current) = (Shared(), Shared(), Shared());
        var deployments = new Deployments(Holding(old, shared));
        var lease = deployments.Acquire();
        deployments.Replace(Holding(shared, current));

        await deployments.DisposeAsync();
        lease.Dispose();

        new[] { old, shared, current }.Select(static backend => Of(backend).Closings).ShouldBe([1, 1, 1]);
    }

    [Fact]
    public async Task BackendThatFailsToClose_DoesNotKeepOthersOpen()
    {
        var (bad, good) = (Shared(new Backend { Failure = new InvalidOperationException("stuck") }), Shared());
        await using var deployments = new Deployments(Holding(bad, good));

        deployments.Replace(Holding(Shared()));

        await Of(good).Closed;
    }

    [Fact]
    public async Task AcquireAndReplace_AtOnce_NeverGiveOutAClosedBackend()
    {
        await using var deployments = new Deployments(Holding(Shared()));
        var replaced = false;
        var callers = Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            var used = 0;
            while (!Volatile.Read(ref replaced))
            {
                using var lease = deployments.Acquire();
                foreach (var backend in lease.Deployment.Backends.Values) Of(backend).Closings.ShouldBe(0);
                used++;
            }

            return used;
        })).ToArray();

        var all = new List<SharedBackend>();
        for (var round = 0; round < 2000; round++)
        {
            all.Add(Shared());
            deployments.Replace(Holding(all[^1]));
        }

        Volatile.Write(ref replaced, value: true);
        (await Task.WhenAll(callers)).ShouldAllBe(static used => used >= 0);
        foreach (var backend in all.SkipLast(1)) await Of(backend).Closed;
        Of(all[^1]).Closings.ShouldBe(0);
    }

    private static Backend Of(SharedBackend shared) => (Backend)shared.Pool.Backend;

    private static SharedBackend Shared(Backend? backend = null) =>
        new(Lanes.To(backend ?? new Backend()), "", NullLogger<SharedBackend>.Instance);

    private static Deployment Holding(params SharedBackend[] backends) => new(
        DeploymentGiven.Settings(), new GrpcLlmOptions(),
        new TenantDirectory(new Dictionary<string, TenantOptions>(), new FakeTimeProvider()), new ModelCatalog([new ServedModel("m", [], [])], "m"),
        backends.Select(static (backend, index) => (backend, index)).ToDictionary(static pair => $"b{pair.index}", static pair => pair.backend));

    private sealed class Backend : IBackend, IAsyncDisposable
    {
        private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _closings;

        public string Name => "b";

        public string Kind => "fake";

        public Exception? Failure { get; init; }

        public Task Closed => _closed.Task;

        public int Closings => Volatile.Read(ref _closings);

        public BackendModel Describe(string model) => new();

        public void FindUnsupported(GenerateRequest request, string model, Violations violations)
        {
        }

        public IAsyncEnumerable<BackendEvent> GenerateAsync(BackendCall call, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public ValueTask<InputTokenCount> CountInputTokensAsync(BackendCall call, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public async ValueTask DisposeAsync()
        {
            await Task.Yield();
            Interlocked.Increment(ref _closings);
            _closed.TrySetResult();
            if (Failure is not null) throw Failure;
        }
    }
}
