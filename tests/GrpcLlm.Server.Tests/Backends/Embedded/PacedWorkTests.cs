using System.Collections.Concurrent;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Embedded;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

/// <summary>Turns on one worker, so that their order is exact. No model: the work records its turns.</summary>
public sealed class PacedWorkTests : IAsyncDisposable
{
    private readonly TurnScheduler _scheduler = new("test", 1);
    private readonly ConcurrentQueue<string> _turns = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _scheduler.DisposeAsync();

    [Fact]
    public async Task NextStep_LongWorkBesideShort_TurnsAlternate()
    {
        // The worker is held until both are queued.
        using var blocker = new BlockedWork(_scheduler);
        ValueTask blocked = blocker.NextStepAsync(Token);
        await blocker.Started.WaitAsync(Token);
        ValueTask steps = new RecordingWork(_scheduler, "long", 4, _turns).NextStepAsync(Token);
        ValueTask step = new RecordingWork(_scheduler, "short", 2, _turns).NextStepAsync(Token);
        blocker.Release();
        await blocked;
        await steps;
        await step;
        _turns.ShouldBe(["long", "short", "long", "short", "long", "long"]);
    }

    [Fact]
    public async Task NextStep_NotCalled_TakesNoTurn()
    {
        var paused = new RecordingWork(_scheduler, "paused", 1, _turns);
        var read = new RecordingWork(_scheduler, "read", 1, _turns);
        await paused.NextStepAsync(Token);
        for (int i = 0; i < 5; i++) await read.NextStepAsync(Token);
        _turns.ShouldBe(["paused", .. Enumerable.Repeat("read", 5)]);
    }

    [Fact]
    public async Task Cancel_WhileQueued_EndsAtOnceAndNeverRuns()
    {
        using var blocker = new BlockedWork(_scheduler);
        ValueTask blocked = blocker.NextStepAsync(Token);
        await blocker.Started.WaitAsync(Token);
        using var cancel = new CancellationTokenSource();
        var work = new RecordingWork(_scheduler, "work", 1, _turns);
        ValueTask step = work.NextStepAsync(cancel.Token);
        await cancel.CancelAsync();

        work.Cancel();

        await Should.ThrowAsync<OperationCanceledException>(async () => await step);
        blocker.Release();
        await blocked;
        await new RecordingWork(_scheduler, "after", 1, _turns).NextStepAsync(Token);
        _turns.ShouldBe(["after"]);
    }

    [Fact]
    public async Task Cancel_WhileRunning_EndsAfterTheTurn()
    {
        using var cancel = new CancellationTokenSource();
        using var work = new BlockedWork(_scheduler);
        ValueTask step = work.NextStepAsync(cancel.Token);
        await work.Started.WaitAsync(Token);
        await cancel.CancelAsync();

        work.Cancel();

        step.IsCompleted.ShouldBeFalse();
        work.Release();
        await Should.ThrowAsync<OperationCanceledException>(async () => await step);
    }

    [Fact]
    public async Task NextStep_TurnThrows_ReaderGetsItAndTheWorkerGoesOn()
    {
        BackendException error = await Should.ThrowAsync<BackendException>(
            async () => await new FailingWork(_scheduler).NextStepAsync(Token));
        error.Failure.ShouldBe(BackendFailure.Failed);
        error.InnerException.ShouldBeOfType<InvalidTimeZoneException>();
        await new RecordingWork(_scheduler, "after", 1, _turns).NextStepAsync(Token);
        _turns.ShouldBe(["after"]);
    }

    [Fact]
    public async Task NextStep_AfterTheStop_Fails()
    {
        await _scheduler.DisposeAsync();
        BackendException error = await Should.ThrowAsync<BackendException>(
            async () => await new RecordingWork(_scheduler, "late", 1, _turns).NextStepAsync(Token));
        error.Failure.ShouldBe(BackendFailure.Unavailable);
        _turns.ShouldBeEmpty();
    }

    [Fact]
    public async Task Dispose_WorkIsQueued_ItFailsAndTheRunningTurnEnds()
    {
        var scheduler = new TurnScheduler("stopped", 1);
        using var running = new BlockedWork(scheduler);
        ValueTask first = running.NextStepAsync(Token);
        await running.Started.WaitAsync(Token);
        ValueTask second = new RecordingWork(scheduler, "queued", 1, _turns).NextStepAsync(Token);

        ValueTask stopped = scheduler.DisposeAsync();
        running.Release();
        await stopped;

        await first;
        (await Should.ThrowAsync<BackendException>(async () =>
            await second)).Failure.ShouldBe(BackendFailure.Unavailable);
        _turns.ShouldBeEmpty();
    }

    private sealed class RecordingWork(TurnScheduler scheduler, string name, int turns, ConcurrentQueue<string> record)
        : PacedWork(scheduler)
    {
        private int _left = turns;

        protected override bool RunTurn(int worker, CancellationToken cancellationToken)
        {
            record.Enqueue(name);
            return --_left <= 0;
        }
    }

    /// <summary>Holds its worker until released.</summary>
    private sealed class BlockedWork(TurnScheduler scheduler) : PacedWork(scheduler), IDisposable
    {
        private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly ManualResetEventSlim _release = new();

        public Task Started => _started.Task;

        public void Release() => _release.Set();

        public void Dispose() => _release.Dispose();

        protected override bool RunTurn(int worker, CancellationToken cancellationToken)
        {
            _started.SetResult();
            _release.Wait(CancellationToken.None);
            return true;
        }
    }

    private sealed class FailingWork(TurnScheduler scheduler) : PacedWork(scheduler)
    {
        protected override bool RunTurn(int worker, CancellationToken cancellationToken) =>
            throw new InvalidTimeZoneException();
    }
}
