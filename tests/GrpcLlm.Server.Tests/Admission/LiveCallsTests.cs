using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Admission;

public sealed class LiveCallsTests
{
    private static readonly Tenant Mine = new("mine");
    private static readonly Tenant Other = new("other");

    private readonly LiveCalls _calls = new();
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Cancel_NameNeverSeen_IsNotFound() => Cancel(Mine, "a").ShouldBe((CancelState.NotFound, 0u));

    [Fact]
    public void Cancel_SharedName_StopsAllThatCarryIt()
    {
        using var first = Lifetime();
        using var second = Lifetime();
        using var unrelated = Lifetime();
        _calls.Add(Mine, "a", first);
        _calls.Add(Mine, "a", second);
        _calls.Add(Mine, "b", unrelated);
        _calls.Count.ShouldBe(3);

        Cancel(Mine, "a").ShouldBe((CancelState.Cancelled, 2u));

        first.Cause.ShouldBe(StopCause.Cancelled);
        second.Cause.ShouldBe(StopCause.Cancelled);
        unrelated.Cause.ShouldBe(StopCause.None);
    }

    [Fact]
    public void Cancel_AnotherTenants_IsNotFound()
    {
        using var lifetime = Lifetime();
        _calls.Add(Mine, "a", lifetime);

        Cancel(Other, "a").ShouldBe((CancelState.NotFound, 0u));
        lifetime.Cause.ShouldBe(StopCause.None);
    }

    [Fact]
    public void Cancel_Repeated_IsNoError()
    {
        using var lifetime = Lifetime();
        _calls.Add(Mine, "a", lifetime);
        Cancel(Mine, "a");

        Cancel(Mine, "a").ShouldBe((CancelState.Cancelled, 1u));
    }

    [Fact]
    public void Cancel_StoppedForAnotherReason_IsFinishedAlready()
    {
        using var lifetime = Lifetime();
        _calls.Add(Mine, "a", lifetime);
        lifetime.Stop(StopCause.TimeBudget);

        Cancel(Mine, "a").ShouldBe((CancelState.AlreadyFinished, 0u));
        lifetime.Cause.ShouldBe(StopCause.TimeBudget);
    }

    [Fact]
    public void Cancel_Ended_IsFinishedAlreadyForItsOwnTenant()
    {
        End(Mine, "a");

        Cancel(Mine, "a").ShouldBe((CancelState.AlreadyFinished, 0u));
        Cancel(Other, "a").ShouldBe((CancelState.NotFound, 0u));
        _calls.Count.ShouldBe(0);
    }

    [Fact]
    public void Cancel_OneOfTwoEnded_StopsTheOther()
    {
        using var lifetime = Lifetime();
        _calls.Add(Mine, "a", lifetime);
        End(Mine, "a");

        Cancel(Mine, "a").ShouldBe((CancelState.Cancelled, 1u));
    }

    [Fact]
    public void Ended_Names_AreForgottenOldestFirst()
    {
        End(Mine, "oldest");
        End(Mine, "again");
        for (var index = 0; index < LiveCalls.Remembered - 2; index++) End(Mine, $"n{index}");
        Cancel(Mine, "oldest").State.ShouldBe(CancelState.AlreadyFinished);

        End(Mine, "again");

        Cancel(Mine, "oldest").State.ShouldBe(CancelState.NotFound);
        End(Mine, "one more");
        Cancel(Mine, "again").State.ShouldBe(CancelState.AlreadyFinished, "its later end is still remembered");
    }

    [Fact]
    public void Cancel_FromACallback_DoesNotDeadlock()
    {
        using var lifetime = Lifetime();
        _calls.Add(Mine, "a", lifetime);
        using var registration = lifetime.Token.Register(() =>
        {
            var other = new Thread(() => Cancel(Mine, "a"));
            other.Start();
            other.Join();
        });

        Cancel(Mine, "a").State.ShouldBe(CancelState.Cancelled);
    }

    [Fact]
    public void Add_AfterClose_IsDraining()
    {
        using var lifetime = Lifetime();
        _calls.Close();

        var failure = Should.Throw<CallFailureException>(() => _calls.Add(Mine, "a", lifetime));

        failure.Reason.ShouldBe(ErrorReason.Draining);
        _calls.Count.ShouldBe(0);
        Cancel(Mine, "a").State.ShouldBe(CancelState.NotFound);
    }

    [Fact]
    public void WhenNone_CompletesWithTheLastAfterClose()
    {
        using var lifetime = Lifetime();
        _calls.Add(Mine, "a", lifetime).Dispose();
        var first = _calls.Add(Mine, "b", lifetime);
        var second = _calls.Add(Other, "b", lifetime);
        _calls.Close();
        first.Dispose();
        _calls.WhenNone().IsCompleted.ShouldBeFalse();

        second.Dispose();

        _calls.WhenNone().IsCompletedSuccessfully.ShouldBeTrue();
    }

    [Fact]
    public void WhenNone_NoneRan_CompletesWithClose()
    {
        _calls.WhenNone().IsCompleted.ShouldBeFalse("more can come");

        _calls.Close();

        _calls.WhenNone().IsCompletedSuccessfully.ShouldBeTrue();
    }

    [Fact]
    public void StopAll_StopsThoseThatNothingStoppedBefore()
    {
        using var cancelled = Lifetime();
        using var mine = Lifetime();
        using var other = Lifetime();
        _calls.Add(Mine, "a", cancelled);
        _calls.Add(Mine, "b", mine);
        _calls.Add(Other, "b", other);
        Cancel(Mine, "a");

        _calls.StopAll(StopCause.Draining).ShouldBe(2);

        (cancelled.Cause, mine.Cause, other.Cause).ShouldBe((StopCause.Cancelled, StopCause.Draining, StopCause.Draining));
    }

    private CallLifetime Lifetime() => new(null, _time, CancellationToken.None);

    private (CancelState State, uint Count) Cancel(Tenant tenant, string id)
    {
        var response = _calls.Cancel(tenant, id);
        return (response.State, response.CancelledCount);
    }

    private void End(Tenant tenant, string id)
    {
        using var lifetime = Lifetime();
        _calls.Add(tenant, id, lifetime).Dispose();
    }
}
