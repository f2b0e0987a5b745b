using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Admission;

public sealed class AdmissionQueueTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly AdmissionQueue _queue;
    private readonly Tenant _a;
    private readonly Tenant _b;
    private readonly Tenant _c;
    private readonly Dictionary<string, Task<AdmissionSlot>> _waiting = [];

    public AdmissionQueueTests()
    {
        _queue = new AdmissionQueue(Limits(1, 100), _time);
        _a = Named("a");
        _b = Named("b");
        _c = Named("c");
    }

    public void Dispose() => _queue.Dispose();

    [Fact]
    public async Task Enter_PlacesFree_IsDoneAtOnce()
    {
        _queue.Update(Limits(2, 0));

        var first = _queue.EnterAsync(_a, null, null, CancellationToken.None);
        var second = _queue.EnterAsync(_b, null, null, CancellationToken.None);

        first.IsCompletedSuccessfully.ShouldBeTrue();
        second.IsCompletedSuccessfully.ShouldBeTrue();
        (_queue.Running, _queue.Waiting).ShouldBe((2, 0));
        (await first)!.Dispose();
        (await second)!.Dispose();
        (_queue.Running, _queue.Waiting).ShouldBe((0, 0));
    }

    [Fact]
    public async Task Enter_PlaceFree_AllocatesThePlaceOnly()
    {
        (await EnterAsync(_a)).Dispose();
        var token = TestContext.Current.CancellationToken;

        var before = GC.GetAllocatedBytesForCurrentThread();
        var entering = _queue.EnterAsync(_a, TimeSpan.FromSeconds(1), null, token);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        allocated.ShouldBeLessThan(128);
        (await entering)!.Dispose();
    }

    [Fact]
    public async Task Dispose_Twice_FreesOnce()
    {
        _queue.Update(Limits(2, 0));
        var slot = await EnterAsync(_a);
        using var other = await EnterAsync(_a);

        slot.Dispose();
        slot.Dispose();

        _queue.Running.ShouldBe(1);
    }

    [Fact]
    public async Task Release_AdmitsInOrderWithinATenant()
    {
        var running = await EnterAsync(_a);
        Queue(_a, "a1", "a2", "a3");

        (await ServeAllAsync(running)).ShouldBe(["a1", "a2", "a3"]);
    }

    [Fact]
    public async Task Release_ManyTenants_TakeTurns()
    {
        var running = await EnterAsync(_a);
        Queue(_a, "a1", "a2", "a3", "a4");
        Queue(_b, "b1", "b2");
        Queue(_c, "c1");

        (await ServeAllAsync(running)).ShouldBe(["a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
    }

    [Fact]
    public async Task Release_FloodOfOneTenant_DelaysAnotherByOneCall()
    {
        var running = await EnterAsync(_a);
        Queue(_a, [.. Enumerable.Range(0, 90).Select(static n => $"a{n}")]);
        Queue(_b, "b1");

        (await ServeAllAsync(running)).Take(2).ShouldBe(["a0", "b1"]);
    }

    [Fact]
    public async Task Tenant_AtItsOwnLimit_WaitsWhileOthersRun()
    {
        _queue.Update(Limits(10, 10));
        _a.Update(new TenantLimits { MaxConcurrent = 1 });
        using var running = await EnterAsync(_a);
        Queue(_a, "a1", "a2");

        using var other = await EnterAsync(_b);
        (_queue.Running, _queue.Waiting).ShouldBe((2, 2));

        (await ServeAllAsync(running)).ShouldBe(["a1", "a2"]);
    }

    [Fact]
    public async Task Tenant_AtItsOwnLimit_HoldsUpNobodyWhoWaitsBehind()
    {
        _queue.Update(Limits(2, 10));
        _a.Update(new TenantLimits { MaxConcurrent = 1 });
        var running = await EnterAsync(_a);
        var other = await EnterAsync(_b);
        Queue(_a, "a1");
        Queue(_b, "b1");

        other.Dispose();

        (await NextAsync()).Name.ShouldBe("b1");
        (_queue.Running, _queue.Waiting).ShouldBe((2, 1));
        running.Dispose();
        (await NextAsync()).Name.ShouldBe("a1");
    }

    [Fact]
    public async Task Enter_OwnCallsWait_DoesNotOvertakeThem()
    {
        _queue.Update(Limits(2, 10));
        _a.Update(new TenantLimits { MaxConcurrent = 1 });
        using var running = await EnterAsync(_a);
        Queue(_a, "a1");
        _a.Update(new TenantLimits { MaxConcurrent = 2 });

        // The raised limit is noticed by the next who comes, and a1 has the place.
        Queue(_a, "a2");

        (await NextAsync()).Name.ShouldBe("a1");
        (_queue.Running, _queue.Waiting).ShouldBe((2, 1));
    }

    [Fact]
    public async Task QueueFull_TenantWithTheLongestQueue_IsRefused()
    {
        _queue.Update(Limits(1, 3));
        using var running = await EnterAsync(_a);
        Queue(_a, "a1", "a2", "a3");

        var failure = await RefusedAsync(EnterAsync(_a));

        failure.Reason.ShouldBe(ErrorReason.Overloaded);
        failure.RetryAfter.ShouldBe(TimeSpan.FromSeconds(1));
        _queue.Waiting.ShouldBe(3);
    }

    [Fact]
    public async Task QueueFull_AnotherTenantComes_TheLatestOfTheFloodGivesWay()
    {
        _queue.Update(Limits(1, 3));
        var running = await EnterAsync(_a);
        Queue(_a, "a1", "a2", "a3");

        Queue(_b, "b1");

        (await RefusedAsync(_waiting["a3"])).Reason.ShouldBe(ErrorReason.Overloaded);
        _waiting.Remove("a3");
        (await ServeAllAsync(running)).ShouldBe(["a1", "b1", "a2"]);
    }

    [Fact]
    public async Task QueueFull_OneCallOfEachTenantsShareIsSafeFromAnyFlood()
    {
        _queue.Update(Limits(1, 4));
        using var running = await EnterAsync(_a);
        Queue(_a, "a1", "a2", "a3", "a4");
        Queue(_b, "b1", "b2");
        (await RefusedAsync(_waiting["a4"])).Reason.ShouldBe(ErrorReason.Overloaded);
        (await RefusedAsync(_waiting["a3"])).Reason.ShouldBe(ErrorReason.Overloaded);

        for (var flood = 0; flood < 20; flood++) await RefusedAsync(EnterAsync(_a));

        _waiting["b1"].IsCompleted.ShouldBeFalse();
        _waiting["b2"].IsCompleted.ShouldBeFalse();
        _queue.Waiting.ShouldBe(4);
    }

    [Fact]
    public async Task QueueFull_EqualQueues_TheLatestOfAllGivesWay()
    {
        _queue.Update(Limits(1, 4));
        using var running = await EnterAsync(_a);
        Queue(_b, "b1", "b2");
        Queue(_a, "a1", "a2");

        Queue(_c, "c1");

        (await RefusedAsync(_waiting["a2"])).Reason.ShouldBe(ErrorReason.Overloaded);
        _waiting["b2"].IsCompleted.ShouldBeFalse();
    }

    [Fact]
    public async Task QueueOfNone_RefusesAtOnce()
    {
        _queue.Update(Limits(1, 0));
        using var running = await EnterAsync(_a);

        (await RefusedAsync(EnterAsync(_b))).Reason.ShouldBe(ErrorReason.Overloaded);
    }

    [Fact]
    public async Task QueueFull_TenantAtItsOwnLimit_IsQuotaExceeded()
    {
        _queue.Update(Limits(10, 1));
        _a.Update(new TenantLimits { MaxConcurrent = 1 });
        using var running = await EnterAsync(_a);
        Queue(_a, "a1");

        var failure = await RefusedAsync(EnterAsync(_a));

        failure.Reason.ShouldBe(ErrorReason.QuotaExceeded);
        failure.QuotaLimit.ShouldBe("concurrent generations");
        failure.QuotaTenant.ShouldBe("a");
        failure.RetryAfter.ShouldBe(TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Timeout_IsOverloadedAndLeavesTheQueue()
    {
        using var running = await EnterAsync(_a);
        Queue(_a, "a1");
        _time.Advance(TimeSpan.FromSeconds(4));
        Queue(_b, "b1");

        _time.Advance(TimeSpan.FromSeconds(6));

        (await RefusedAsync(_waiting["a1"])).Reason.ShouldBe(ErrorReason.Overloaded);
        _queue.Waiting.ShouldBe(1);
        _time.Advance(TimeSpan.FromSeconds(4));
        (await RefusedAsync(_waiting["b1"])).Reason.ShouldBe(ErrorReason.Overloaded);
        _queue.Waiting.ShouldBe(0);
        await Settled();
        _time.ArmedTimers.ShouldBe(0);
    }

    [Fact]
    public async Task Timeout_TenantAtItsOwnLimit_IsQuotaExceeded()
    {
        _queue.Update(Limits(10, 10));
        _a.Update(new TenantLimits { MaxConcurrent = 1 });
        using var running = await EnterAsync(_a);
        Queue(_a, "a1");

        _time.Advance(TimeSpan.FromSeconds(10));

        (await RefusedAsync(_waiting["a1"])).Reason.ShouldBe(ErrorReason.QuotaExceeded);
    }

    [Fact]
    public async Task Stopped_WhileItWaits_LeavesAtOnce()
    {
        var running = await EnterAsync(_a);
        using var stop = new CancellationTokenSource();
        var stopped = EnterStoppableAsync(_a, stop.Token);
        Queue(_a, "a2");

        await stop.CancelAsync();

        _queue.Waiting.ShouldBe(1);
        (await stopped).ShouldBeNull();
        (await ServeAllAsync(running)).ShouldBe(["a2"]);
    }

    [Fact]
    public async Task Stopped_BeforeItCame_TakesNothing()
    {
        (await EnterStoppableAsync(_a, new CancellationToken(canceled: true))).ShouldBeNull();

        (_queue.Running, _queue.Waiting).ShouldBe((0, 0));
    }

    [Fact]
    public async Task Stopped_WithAPlace_KeepsItUntilDisposed()
    {
        var running = await EnterAsync(_a);
        using var stop = new CancellationTokenSource();
        var waiting = EnterStoppableAsync(_b, stop.Token);
        running.Dispose();

        await stop.CancelAsync();

        var slot = await waiting;
        _queue.Running.ShouldBe(1);
        slot!.Dispose();
        _queue.Running.ShouldBe(0);
    }

    [Fact]
    public async Task TimeLeft_ShorterThanTheQueue_IsRefusedAtOnceWithTheWait()
    {
        var running = await PacedAsync(TimeSpan.FromSeconds(2));
        Queue(_a, "a1", "a2", "a3");

        var failure = await RefusedAsync(EnterAsync(_a, timeLeft: TimeSpan.FromSeconds(5.9)));

        failure.Reason.ShouldBe(ErrorReason.Overloaded);
        failure.RetryAfter.ShouldBe(TimeSpan.FromSeconds(8));
        _waiting["a4"] = EnterAsync(_a, timeLeft: TimeSpan.FromSeconds(6.1));
        _queue.Waiting.ShouldBe(4);
        running.Dispose();
        (await NextAsync()).Name.ShouldBe("a1");
    }

    [Fact]
    public async Task TimeLeft_AnotherTenantsFlood_CountsOnlyItsTurns()
    {
        using var running = await PacedAsync(TimeSpan.FromSeconds(2));
        Queue(_a, [.. Enumerable.Range(0, 50).Select(static n => $"a{n}")]);

        // One of the flood comes before each call of this tenant.
        await RefusedAsync(EnterAsync(_b, timeLeft: TimeSpan.FromSeconds(1.9)));
        _waiting["b1"] = EnterAsync(_b, timeLeft: TimeSpan.FromSeconds(2.1));
        await RefusedAsync(EnterAsync(_b, timeLeft: TimeSpan.FromSeconds(5.9)));
        _waiting["b2"] = EnterAsync(_b, timeLeft: TimeSpan.FromSeconds(6.1));
        _queue.Waiting.ShouldBe(52);
    }

    [Fact]
    public async Task TimeLeft_NothingKnownOfThePace_Waits()
    {
        var running = await EnterAsync(_a);
        Queue(_a, "a1", "a2");

        _waiting["a3"] = EnterAsync(_a, timeLeft: TimeSpan.FromTicks(1));

        _queue.Waiting.ShouldBe(3);
        (await ServeAllAsync(running)).Count.ShouldBe(3);
    }

    [Fact]
    public async Task Pace_ForgottenWhenAPlaceStaysFree()
    {
        _queue.Update(Limits(1, 100, TimeSpan.FromHours(1)));
        var running = await PacedAsync(TimeSpan.FromMinutes(5));
        running.Dispose();
        using var next = await EnterAsync(_a);
        Queue(_a, "a1");

        _waiting["a2"] = EnterAsync(_a, timeLeft: TimeSpan.FromMilliseconds(1));

        _queue.Waiting.ShouldBe(2);
    }

    [Fact]
    public async Task TimeLeft_TenantAtItsOwnLimit_GoesByItsOwnPace()
    {
        _queue.Update(Limits(10, 10));
        _a.Update(new TenantLimits { MaxConcurrent = 1 });
        using var running = await PacedAsync(TimeSpan.FromSeconds(3));
        Queue(_a, "a1");

        var failure = await RefusedAsync(EnterAsync(_a, timeLeft: TimeSpan.FromSeconds(2.9)));

        failure.Reason.ShouldBe(ErrorReason.QuotaExceeded);
        failure.RetryAfter.ShouldBe(TimeSpan.FromSeconds(6));
    }

    [Theory]
    [InlineData(0.001, 0.1)]
    [InlineData(7, 14)]
    [InlineData(600, 30)]
    public async Task RetryAfter_IsTheExpectedWaitWithinBounds(double seconds, double told)
    {
        _queue.Update(Limits(1, 1, TimeSpan.FromHours(1)));
        using var running = await PacedAsync(TimeSpan.FromSeconds(seconds));
        Queue(_a, "a1");

        (await RefusedAsync(EnterAsync(_a))).RetryAfter.ShouldBe(TimeSpan.FromSeconds(told));
    }

    [Fact]
    public async Task Update_RaisedLimit_AdmitsAtOnce()
    {
        using var running = await EnterAsync(_a);
        Queue(_a, "a1", "a2", "a3");

        _queue.Update(Limits(3, 100));

        (_queue.Running, _queue.Waiting).ShouldBe((3, 1));
        new[] { (await NextAsync()).Name, (await NextAsync()).Name }.ShouldBe(["a1", "a2"], ignoreOrder: true);
    }

    [Fact]
    public async Task Update_RaisedLimitOfATenant_AdmitsAtOnce()
    {
        _queue.Update(Limits(10, 10));
        _a.Update(new TenantLimits { MaxConcurrent = 1 });
        using var running = await EnterAsync(_a);
        Queue(_a, "a1");

        _a.Update(TenantLimits.None);
        _queue.Update(Limits(10, 10));

        (await NextAsync()).Name.ShouldBe("a1");
    }

    [Fact]
    public async Task Update_LoweredLimits_EndNobody()
    {
        _queue.Update(Limits(3, 10));
        AdmissionSlot[] running = [await EnterAsync(_a), await EnterAsync(_a), await EnterAsync(_a)];
        Queue(_a, "a1", "a2");

        _queue.Update(Limits(1, 0));

        (_queue.Running, _queue.Waiting).ShouldBe((3, 2));
        await RefusedAsync(EnterAsync(_a));
        running[0].Dispose();
        running[1].Dispose();
        (_queue.Running, _queue.Waiting).ShouldBe((1, 2));
        running[2].Dispose();
        (await NextAsync()).Name.ShouldBe("a1");
        (_queue.Running, _queue.Waiting).ShouldBe((1, 1));
    }

    [Fact]
    public async Task Close_RefusesAllThatWaitAndAllThatCome()
    {
        using var running = await EnterAsync(_a);
        Queue(_a, "a1", "a2");
        Queue(_b, "b1");

        _queue.Close();
        _queue.Close();

        foreach (var waiting in _waiting.Values) (await RefusedAsync(waiting)).Reason.ShouldBe(ErrorReason.Draining);
        (await RefusedAsync(EnterAsync(_c))).Reason.ShouldBe(ErrorReason.Draining);
        (_queue.Running, _queue.Waiting).ShouldBe((1, 0));
    }

    [Fact]
    public async Task Position_IsToldOnEnteringAndThenAsItChanges()
    {
        var running = await EnterAsync(_a);
        var first = Listen(_a);
        var second = Listen(_a);
        first.ShouldBe([1u]);
        second.ShouldBe([2u]);

        running.Dispose();
        second.ShouldBe([2u]);
        _time.Advance(QueuePositions.Interval);
        _time.Advance(QueuePositions.Interval);
        _time.Advance(QueuePositions.Interval);

        first.ShouldBe([1u]);
        second.ShouldBe([2u, 1u]);
    }

    [Fact]
    public async Task Position_AnotherTenantTakesTurns_CountsThem()
    {
        using var running = await EnterAsync(_a);
        Queue(_a, "a1", "a2", "a3");

        Listen(_b).ShouldBe([2u]);
        Listen(_b).ShouldBe([4u]);
        var last = Listen(_a);
        last.ShouldBe([6u]);
        Listen(_c).ShouldBe([3u]);
        _time.Advance(QueuePositions.Interval);
        _time.Advance(QueuePositions.Interval);

        last.ShouldBe([6u, 7u]);
    }

    [Fact]
    public async Task Position_TenantAtItsOwnLimit_CountsItsOwnOnly()
    {
        _queue.Update(Limits(2, 10));
        _a.Update(new TenantLimits { MaxConcurrent = 1 });
        using var running = await EnterAsync(_a);
        using var other = await EnterAsync(_b);
        Queue(_b, "b1", "b2");

        Listen(_a).ShouldBe([1u]);
        Listen(_a).ShouldBe([2u]);
        Listen(_b).ShouldBe([3u]);
    }

    [Fact]
    public async Task Position_ManyReleasesInASecond_IsOneReport()
    {
        var running = await EnterAsync(_a);
        Queue(_a, [.. Enumerable.Range(0, 20).Select(static n => $"a{n}")]);
        var told = Listen(_a);
        _time.Advance(QueuePositions.Interval);

        for (var served = 0; served < 15; served++)
        {
            running.Dispose();
            running = (await NextAsync()).Slot;
        }

        told.ShouldBe([21u]);
        _time.Advance(QueuePositions.Interval);
        told.ShouldBe([21u, 6u]);
    }

    [Fact]
    public async Task Position_ChangesRightAfterEntering_IsToldAWholeIntervalLaterAtTheEarliest()
    {
        var running = await EnterAsync(_a);
        Listen(_a);
        _time.Advance(QueuePositions.Interval * 0.9);
        var told = Listen(_a);
        running.Dispose();

        _time.Advance(QueuePositions.Interval * 0.1);
        told.ShouldBe([2u]);
        _time.Advance(QueuePositions.Interval);
        told.ShouldBe([2u, 1u]);
    }

    [Fact]
    public async Task Position_NobodyListens_NoTimerRuns()
    {
        var running = await EnterAsync(_a);
        var told = Listen(_a);
        running.Dispose();
        await Settled();

        _time.Advance(QueuePositions.Interval);

        _time.ArmedTimers.ShouldBe(0);
        told.ShouldBe([1u]);
    }

    private List<uint> Listen(Tenant tenant)
    {
        var told = new List<uint>();
        _waiting.Add($"listener {_waiting.Count}", EnterAsync(tenant, told.Add));
        return told;
    }

    private void Queue(Tenant tenant, params string[] names)
    {
        foreach (var name in names) _waiting.Add(name, EnterAsync(tenant));
    }

    private async Task<AdmissionSlot> EnterAsync(Tenant tenant, Action<uint>? positionChanged = null, TimeSpan? timeLeft = null) =>
        (await EnterStoppableAsync(tenant, TestContext.Current.CancellationToken, positionChanged, timeLeft))!;

    private Task<AdmissionSlot?> EnterStoppableAsync(
        Tenant tenant, CancellationToken stopped, Action<uint>? positionChanged = null, TimeSpan? timeLeft = null)
    {
        try
        {
            return _queue.EnterAsync(tenant, timeLeft, positionChanged, stopped).AsTask();
        }
        catch (CallFailureException failure)
        {
            return Task.FromException<AdmissionSlot?>(failure);
        }
    }

    /// <summary>The next one of those that wait which gets a place.</summary>
    private async Task<(string Name, AdmissionSlot Slot)> NextAsync()
    {
        var done = await Task.WhenAny(_waiting.Values);
        var name = _waiting.Single(one => one.Value == done).Key;
        _waiting.Remove(name);
        return (name, await done);
    }

    /// <summary>Ends what runs, one after the other, until nobody waits; tells in which order they got their places.</summary>
    private async Task<List<string>> ServeAllAsync(AdmissionSlot running)
    {
        var order = new List<string>();
        while (_waiting.Count > 0)
        {
            running.Dispose();
            (var name, running) = await NextAsync();
            order.Add(name);
        }

        running.Dispose();
        return order;
    }

    /// <summary>A busy queue with one place, or one of tenant a, that becomes free at this interval.</summary>
    private async Task<AdmissionSlot> PacedAsync(TimeSpan interval)
    {
        var running = await EnterAsync(_a);
        for (var release = 0; release < 3; release++)
        {
            var next = EnterAsync(_a);
            _time.Advance(release == 0 ? TimeSpan.Zero : interval);
            running.Dispose();
            running = await next;
        }

        return running;
    }

    /// <summary>Completes when the tasks of calls that got an answer have run on.</summary>
    private async Task Settled()
    {
        while (_waiting.Values.Count(static waiting => !waiting.IsCompleted) > _queue.Waiting) await Task.Yield();
    }

    private static async Task<CallFailureException> RefusedAsync(Task entering) =>
        await Should.ThrowAsync<CallFailureException>(entering);

    private Tenant Named(string name) => new(name, TenantLimits.None, _time);

    private static AdmissionOptions Limits(int maxConcurrent, int maxQueue, TimeSpan? timeout = null) => new()
    {
        MaxConcurrent = maxConcurrent, MaxQueue = maxQueue, QueueTimeout = timeout ?? TimeSpan.FromSeconds(10),
    };
}
