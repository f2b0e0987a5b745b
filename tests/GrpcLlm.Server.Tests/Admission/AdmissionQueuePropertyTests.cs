using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Admission;

/// <summary>Whatever comes, goes, times out and is stopped in whatever order: the limits hold and nobody is forgotten.</summary>
public sealed class AdmissionQueuePropertyTests
{
    [Fact]
    public async Task AnyOrderOfEvents_KeepsTheLimitsAndEndsEveryCallOnce()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            using var run = new RandomRun(seed);
            await run.RunAsync();
        }
    }

    [Fact]
    public async Task ManyThreads_KeepTheLimitsAndLoseNoWakeUp()
    {
        const int maxConcurrent = 5;
        var tenants = Enumerable.Range(0, 4).Select(n => new Tenant(
            $"t{n}", new TenantLimits { MaxConcurrent = n == 0 ? 2 : null }, TimeProvider.System)).ToArray();
        var running = new int[tenants.Length];
        var all = 0;
        var broken = 0;
        using var queue = new AdmissionQueue(
            new AdmissionOptions { MaxConcurrent = maxConcurrent, MaxQueue = 30, QueueTimeout = TimeSpan.FromHours(1) }, TimeProvider.System);

        await Parallel.ForAsync(0, 64, TestContext.Current.CancellationToken, async (caller, _) =>
        {
            var random = new Random(caller);
            for (var call = 0; call < 200; call++)
            {
                var tenant = random.Next(tenants.Length);
                using var stop = new CancellationTokenSource();
                try
                {
                    var entering = queue.EnterAsync(tenants[tenant], null, null, stop.Token);
                    if (random.Next(3) == 0) await stop.CancelAsync();
                    using var slot = await entering;
                    if (slot is null)
                    {
                        stop.IsCancellationRequested.ShouldBeTrue();
                        continue;
                    }

                    if (Interlocked.Increment(ref all) > maxConcurrent) Interlocked.Increment(ref broken);
                    if (Interlocked.Increment(ref running[tenant]) > 2 && tenant == 0) Interlocked.Increment(ref broken);
                    await Task.Yield();
                    Interlocked.Decrement(ref running[tenant]);
                    Interlocked.Decrement(ref all);
                }
                catch (CallFailureException failure)
                {
                    failure.Reason.ShouldBeOneOf(ErrorReason.Overloaded, ErrorReason.QuotaExceeded);
                }
            }
        });

        broken.ShouldBe(0);
        (queue.Running, queue.Waiting).ShouldBe((0, 0));
    }

    private sealed class RandomRun : IDisposable
    {
        private readonly FakeTimeProvider _time = new();
        private readonly Random _random;
        private readonly string _seed;
        private readonly AdmissionQueue _queue;
        private readonly Tenant[] _tenants;
        private readonly List<Call> _calls = [];
        private int _maxConcurrent;
        private int _mayRun;

        public RandomRun(int seed)
        {
            _random = new Random(seed);
            _seed = $"seed {seed}";
            _queue = new AdmissionQueue(NextLimits(), _time);
            _tenants = [.. Enumerable.Range(0, _random.Next(1, 5)).Select(n => new Tenant(
                $"t{n}", new TenantLimits { MaxConcurrent = _random.Next(2) == 0 ? _random.Next(1, 4) : null }, _time))];
        }

        public async Task RunAsync()
        {
            for (var step = 0; step < 150; step++)
            {
                await StepAsync();
                await SettleAsync();
                CheckLimits();
            }

            if (_random.Next(2) == 0) _queue.Close();
            while (_calls.Exists(static call => call.HasPlace || !call.Entering.IsCompleted))
            {
                foreach (var call in _calls.Where(static call => call.HasPlace).ToList()) await call.LeaveAsync();
                _time.Advance(TimeSpan.FromSeconds(1));
                await SettleAsync();
                CheckLimits();
            }

            (_queue.Running, _queue.Waiting).ShouldBe((0, 0), _seed);
            _time.Advance(TimeSpan.FromSeconds(2));
            _time.ArmedTimers.ShouldBe(0, _seed);
        }

        public void Dispose()
        {
            _queue.Dispose();
            _calls.ForEach(static call => call.Dispose());
        }

        private async Task StepAsync()
        {
            switch (_random.Next(10))
            {
                case < 5:
                    _calls.Add(new Call(_queue, _tenants[_random.Next(_tenants.Length)], _random));
                    break;
                case < 7:
                    if (Any(static call => call.HasPlace) is { } finished) await finished.LeaveAsync();
                    break;
                case < 8:
                    // A place becomes free and the one who gets it is stopped, at the same moment.
                    var stopped = Any(static call => !call.Entering.IsCompleted);
                    if (_random.Next(2) == 0 && Any(static call => call.HasPlace) is { } leaver) await leaver.LeaveAsync();
                    if (stopped is not null) await stopped.Stop.CancelAsync();
                    break;
                case < 9:
                    _time.Advance(TimeSpan.FromMilliseconds(_random.Next(1500)));
                    break;
                default:
                    _queue.Update(NextLimits());
                    break;
            }
        }

        private AdmissionOptions NextLimits()
        {
            _maxConcurrent = _random.Next(1, 6);
            return new AdmissionOptions
            {
                MaxConcurrent = _maxConcurrent, MaxQueue = _random.Next(0, 12), QueueTimeout = TimeSpan.FromSeconds(_random.Next(1, 6)),
            };
        }

        private Call? Any(Func<Call, bool> condition)
        {
            var found = _calls.Where(condition).ToList();
            return found.Count == 0 ? null : found[_random.Next(found.Count)];
        }

        private async Task SettleAsync()
        {
            while (_calls.Count(static call => !call.Entering.IsCompleted) > _queue.Waiting) await Task.Yield();
        }

        private void CheckLimits()
        {
            // A lowered limit ends nobody: then no more may run than ran before.
            var running = _calls.Count(static call => call.HasPlace);
            running.ShouldBe(_queue.Running, _seed);
            _mayRun = Math.Max(_maxConcurrent, Math.Min(_mayRun, running));
            running.ShouldBeLessThanOrEqualTo(_mayRun, _seed);
            foreach (var tenant in _tenants)
            {
                var own = _calls.Count(call => call.HasPlace && call.Tenant == tenant);
                own.ShouldBeLessThanOrEqualTo(tenant.Limits.MaxConcurrent ?? int.MaxValue, _seed);

                // Nobody waits who could run.
                var waits = _calls.Exists(call => call.Tenant == tenant && !call.Entering.IsCompleted);
                (waits && running < _maxConcurrent && own < (tenant.Limits.MaxConcurrent ?? int.MaxValue)).ShouldBeFalse(_seed);
            }
        }
    }

    private sealed class Call : IDisposable
    {
        private readonly List<uint> _told = [];
        private bool _left;

        public Call(AdmissionQueue queue, Tenant tenant, Random random)
        {
            Tenant = tenant;
            try
            {
                Entering = queue.EnterAsync(
                    tenant, random.Next(3) == 0 ? TimeSpan.FromMilliseconds(random.Next(3000)) : null,
                    random.Next(2) == 0 ? _told.Add : null, Stop.Token).AsTask();
            }
            catch (CallFailureException failure)
            {
                Entering = Task.FromException<AdmissionSlot?>(failure);
            }
        }

        public Tenant Tenant { get; }

        public CancellationTokenSource Stop { get; } = new();

        public Task<AdmissionSlot?> Entering { get; }

        public bool HasPlace => Entering is { IsCompletedSuccessfully: true, Result: not null } && !_left;

        public async Task LeaveAsync()
        {
            _left = true;
            (await Entering)!.Dispose();
        }

        public void Dispose() => Stop.Dispose();
    }
}
