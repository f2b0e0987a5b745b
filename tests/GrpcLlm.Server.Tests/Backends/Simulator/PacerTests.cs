using System.Collections.Concurrent;
using GrpcLlm.Server.Backends.Simulator;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Backends.Simulator;

public sealed class PacerTests
{
    private readonly FakeTimeProvider _time = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ManyStreams_EachAtItsTime()
    {
        var pacer = Pacer.Of(_time);
        var random = new Random(3);
        var waits = new List<(TimeSpan Due, Task Task)>();
        for (var n = 0; n < 300; n++)
        {
            var due = TimeSpan.FromMicroseconds(random.Next(1, 2_000));
            waits.Add((due, new PacedWait(pacer, Token).UntilAsync(due).AsTask()));
        }

        for (var step = 0; step < 20; step++)
        {
            waits.ShouldAllBe(wait => wait.Due <= pacer.Now || !wait.Task.IsCompleted);
            _time.AdvanceMicroseconds(100);
            await Task.WhenAll(waits.Where(wait => wait.Due <= pacer.Now).Select(static wait => wait.Task));
        }

        _time.ArmedTimers.ShouldBe(0);
    }

    [Fact]
    public async Task Cancelled_EndsAtOnce_AndTheOthersStay()
    {
        var pacer = Pacer.Of(_time);
        using var source = new CancellationTokenSource();
        using var early = new PacedWait(pacer, source.Token);
        using var late = new PacedWait(pacer, Token);
        var cancelled = early.UntilAsync(TimeSpan.FromMilliseconds(5)).AsTask();
        var kept = late.UntilAsync(TimeSpan.FromMilliseconds(9)).AsTask();

        await source.CancelAsync();

        (await cancelled).ShouldBeFalse();
        _time.Advance(TimeSpan.FromMilliseconds(8.9));
        kept.IsCompleted.ShouldBeFalse();
        _time.Advance(TimeSpan.FromMilliseconds(0.1));
        (await kept).ShouldBeTrue();
    }

    [Fact]
    public async Task Cancelled_WaitsNoMore()
    {
        using var wait = new PacedWait(Pacer.Of(_time), new CancellationToken(canceled: true));

        (await wait.UntilAsync(TimeSpan.FromHours(1))).ShouldBeFalse();
        _time.ArmedTimers.ShouldBe(0);
    }

    [Fact]
    public async Task TimeHasCome_DoesNotWait()
    {
        using var wait = new PacedWait(Pacer.Of(_time), Token);

        foreach (var due in new[] { TimeSpan.Zero, TimeSpan.FromSeconds(-1) })
        {
            var come = wait.UntilAsync(due).AsTask();
            come.IsCompletedSuccessfully.ShouldBeTrue();
            (await come).ShouldBeTrue();
        }
    }

    // The thread of the system's clock: nothing comes much too early, nothing is lost, an earlier one is not behind a later one.
    [Fact]
    public async Task SystemClock_NothingMuchTooEarly_NothingLost()
    {
        var pacer = Pacer.Of(TimeProvider.System);
        pacer.ShouldBeSameAs(Pacer.Of(TimeProvider.System));
        var early = new ConcurrentBag<TimeSpan>();
        using var hour = new CancellationTokenSource();
        using var farWait = new PacedWait(pacer, hour.Token);
        var far = farWait.UntilAsync(pacer.Now + TimeSpan.FromHours(1)).AsTask();

        await Task.WhenAll(Enumerable.Range(0, 50).Select(async stream =>
        {
            using var wait = new PacedWait(pacer, Token);
            var due = pacer.Now;
            for (var token = 0; token < 20; token++)
            {
                due += TimeSpan.FromMicroseconds(100 + (stream * 37));
                (await wait.UntilAsync(due)).ShouldBeTrue();
                if (due - pacer.Now is var left && left > Pacer.MostEarly) early.Add(left);
            }
        }));

        early.ShouldBeEmpty();
        far.IsCompleted.ShouldBeFalse();
        await hour.CancelAsync();
        (await far).ShouldBeFalse();
    }

    [Fact]
    public async Task CancelledAtTheMomentOfTheWait_IsNeverLost()
    {
        var pacer = Pacer.Of(TimeProvider.System);
        for (var round = 0; round < 500; round++)
        {
            using var source = new CancellationTokenSource();
            using var wait = new PacedWait(pacer, source.Token);
            var cancelling = Task.Run(source.Cancel, Token);

            // That it comes at all is what is tested.
            (await wait.UntilAsync(pacer.Now + TimeSpan.FromHours(1))).ShouldBeFalse();

            await cancelling;
        }
    }
}
