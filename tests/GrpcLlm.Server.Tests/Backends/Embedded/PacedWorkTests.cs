using System.Collections.Concurrent;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Embedded;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

/// <summary>Rounds of one turn for everybody who waits. No model: the work records its turns.</summary>
public sealed class PacedWorkTests : IAsyncDisposable
{
    private readonly StepLoop<TestWork> _loop = new("test", Round);
    private readonly ConcurrentQueue<string> _turns = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _loop.DisposeAsync();

    [Fact]
    public async Task NextStep_LongWorkBesideShort_TurnsAlternate()
    {
        // The loop is held until both are queued.
        using var blocker = new BlockedWork(_loop);
        ValueTask<bool> blocked = blocker.NextStepAsync(Token);
        await blocker.Started.WaitAsync(Token);
        ValueTask<bool> steps = new RecordingWork(_loop, "long", 4, _turns).NextStepAsync(Token);
        ValueTask<bool> step = new RecordingWork(_loop, "short", 2, _turns).NextStepAsync(Token);
        blocker.Release();
        (await blocked).ShouldBeTrue();
        (await steps).ShouldBeTrue();
        (await step).ShouldBeTrue();
        _turns.ShouldBe(["long", "short", "long", "short", "long", "long"]);
    }

    [Fact]
    public async Task NextStep_NotCalled_TakesNoTurn()
    {
        var paused = new RecordingWork(_loop, "paused", 1, _turns);
        var read = new RecordingWork(_loop, "read", 1, _turns);
        await paused.NextStepAsync(Token);
        for (int i = 0; i < 5; i++) await read.NextStepAsync(Token);
        _turns.ShouldBe(["paused", .. Enumerable.Repeat("read", 5)]);
    }

    [Fact]
    public async Task Cancel_WhileQueued_EndsAtOnceAndNeverRuns()
    {
        using var blocker = new BlockedWork(_loop);
        ValueTask<bool> blocked = blocker.NextStepAsync(Token);
        await blocker.Started.WaitAsync(Token);
        using var cancel = new CancellationTokenSource();
        var work = new RecordingWork(_loop, "work", 1, _turns);
        ValueTask<bool> step = work.NextStepAsync(cancel.Token);
        await cancel.CancelAsync();

        work.Cancel();

        (await step).ShouldBeFalse();
        blocker.Release();
        await blocked;
        await new RecordingWork(_loop, "after", 1, _turns).NextStepAsync(Token);
        _turns.ShouldBe(["after"]);
    }

    [Fact]
    public async Task Cancel_WhileRunning_EndsAfterTheTurn()
    {
        using var cancel = new CancellationTokenSource();
        using var work = new BlockedWork(_loop);
        ValueTask<bool> step = work.NextStepAsync(cancel.Token);
        await work.Started.WaitAsync(Token);
        await cancel.CancelAsync();

        work.Cancel();

        step.IsCompleted.ShouldBeFalse();
        work.Release();
        (await step).ShouldBeFalse();
    }

    [Fact]
    public async Task End_WithAnError_ReaderGetsItAndTheLoopGoesOn()
    {
        BackendException error = await Should.ThrowAsync<BackendException>(
            async () => await new FailingWork(_loop).NextStepAsync(Token));
        error.Failure.ShouldBe(BackendFailure.Failed);
        error.InnerException.ShouldBeOfType<InvalidTimeZoneException>();
        await new RecordingWork(_loop, "after", 1, _turns).NextStepAsync(Token);
        _turns.ShouldBe(["after"]);
    }

    [Fact]
    public async Task NextStep_AfterTheStop_Fails()
    {
        await _loop.DisposeAsync();
        BackendException error = await Should.ThrowAsync<BackendException>(
            async () => await new RecordingWork(_loop, "late", 1, _turns).NextStepAsync(Token));
        error.Failure.ShouldBe(BackendFailure.Unavailable);
        _turns.ShouldBeEmpty();
    }

    [Fact]
    public async Task Dispose_WorkIsQueued_ItFailsAndTheRunningTurnEnds()
    {
        var loop = new StepLoop<TestWork>("stopped", Round);
        using var running = new BlockedWork(loop);
        ValueTask<bool> first = running.NextStepAsync(Token);
        await running.Started.WaitAsync(Token);
        ValueTask<bool> second = new RecordingWork(loop, "queued", 1, _turns).NextStepAsync(Token);

        ValueTask stopped = loop.DisposeAsync();
        running.Release();
        await stopped;

        await first;
        (await Should.ThrowAsync<BackendException>(async () =>
            await second)).Failure.ShouldBe(BackendFailure.Unavailable);
        _turns.ShouldBeEmpty();
    }

    private static void Round(List<TestWork> waiting)
    {
        for (int i = 0; i < waiting.Count;)
        {
            TestWork work = waiting[i];
            if (!work.TryBegin())
            {
                waiting.RemoveAt(i);
                continue;
            }

            try
            {
                if (work.Turn())
                {
                    waiting.RemoveAt(i);
                    work.Complete();
                    continue;
                }

                work.Pause();
                i++;
            }
            catch (InvalidTimeZoneException error)
            {
                waiting.RemoveAt(i);
                work.End(error);
            }
        }
    }

    private abstract class TestWork(StepLoop<TestWork> loop) : PacedWork
    {
        /// <returns>Whether the step is done.</returns>
        public abstract bool Turn();

        protected override void Enqueue() => loop.Enqueue(this);
    }

    private sealed class RecordingWork(
        StepLoop<TestWork> loop, string name, int turns, ConcurrentQueue<string> record) : TestWork(loop)
    {
        private int _left = turns;

        public override bool Turn()
        {
            record.Enqueue(name);
            return --_left <= 0;
        }
    }

    /// <summary>Holds the loop until released.</summary>
    private sealed class BlockedWork(StepLoop<TestWork> loop) : TestWork(loop), IDisposable
    {
        private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly ManualResetEventSlim _release = new();

        public Task Started => _started.Task;

        public void Release() => _release.Set();

        public void Dispose() => _release.Dispose();

        public override bool Turn()
        {
            _started.SetResult();
            _release.Wait(CancellationToken.None);
            return true;
        }
    }

    private sealed class FailingWork(StepLoop<TestWork> loop) : TestWork(loop)
    {
        public override bool Turn() => throw new InvalidTimeZoneException();
    }
}
