using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Backends;

public sealed class SlotQueueTests
{
    private readonly FakeTimeProvider _time = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void Enter_SlotsFree_HasOneAtOnce()
    {
        SlotQueue queue = Queue(2, 100, 0);
        using SlotQueue.Place first = queue.Enter(1);
        using SlotQueue.Place second = queue.Enter(1);
        first.Position.ShouldBe(0);
        second.Position.ShouldBe(0);
        queue.FreeSlots.ShouldBe(0);
    }

    [Fact]
    public void Enter_QueueFull_IsOverloaded()
    {
        SlotQueue queue = Queue(1, 100, 1);
        using SlotQueue.Place first = queue.Enter(1);
        using SlotQueue.Place second = queue.Enter(1);
        Should.Throw<BackendException>(() => queue.Enter(1)).Failure.ShouldBe(BackendFailure.Overloaded);
        queue.Waiting.ShouldBe(1);
    }

    [Fact]
    public void Dispose_Slot_AdmitsInOrderAndMovesTheRestUp()
    {
        SlotQueue queue = Queue(1, 100, 3);
        SlotQueue.Place first = queue.Enter(1);
        SlotQueue.Place[] waiting = [queue.Enter(1), queue.Enter(1), queue.Enter(1)];
        waiting.Select(place => place.Position).ShouldBe([1, 2, 3]);
        first.Dispose();
        waiting.Select(place => place.Position).ShouldBe([0, 1, 2]);
        waiting[1].Dispose();
        _time.Advance(SlotQueue.Interval);
        waiting.Where(place => place != waiting[1]).Select(place => place.Position).ShouldBe([0, 1]);
        waiting[0].Dispose();
        waiting[2].Position.ShouldBe(0);
        waiting[2].Dispose();
        queue.FreeSlots.ShouldBe(1);
    }

    [Fact]
    public void Dispose_Twice_GivesBackOnce()
    {
        SlotQueue queue = Queue(2, 100, 0);
        SlotQueue.Place place = queue.Enter(1);
        place.Dispose();
        place.Dispose();
        queue.FreeSlots.ShouldBe(2);
    }

    [Fact]
    public void Enter_MemoryTaken_WaitsAndIsNotOvertaken()
    {
        SlotQueue queue = Queue(10, 10, 10);
        SlotQueue.Place half = queue.Enter(6);
        using SlotQueue.Place large = queue.Enter(8);
        using SlotQueue.Place small = queue.Enter(1);
        large.Position.ShouldBe(1);
        small.Position.ShouldBe(2);
        half.Dispose();
        large.Position.ShouldBe(0);
        small.Position.ShouldBe(0);
    }

    [Fact]
    public async Task MovedFrom_PositionChanges_HearsOfIt()
    {
        SlotQueue queue = Queue(1, 100, 3);
        SlotQueue.Place first = queue.Enter(1);
        SlotQueue.Place second = queue.Enter(1);
        using SlotQueue.Place third = queue.Enter(1);
        Task<int?> moved = third.MovedFromAsync(2, Token).AsTask();
        moved.IsCompleted.ShouldBeFalse();
        second.Dispose();
        (await moved).ShouldBe(1);
        Task<int?> admitted = third.MovedFromAsync(1, Token).AsTask();
        first.Dispose();
        (await admitted).ShouldBe(0);
    }

    [Fact]
    public async Task MovedFrom_SeveralMovesUnseen_TellsTheNewest()
    {
        SlotQueue queue = Queue(1, 100, 5);
        using SlotQueue.Place holder = queue.Enter(1);
        SlotQueue.Place[] waiting = [queue.Enter(1), queue.Enter(1), queue.Enter(1)];
        waiting[0].Dispose();
        waiting[1].Dispose();
        _time.Advance(SlotQueue.Interval);
        (await waiting[2].MovedFromAsync(3, Token)).ShouldBe(1);
        waiting[2].Dispose();
    }

    [Fact]
    public async Task Close_SomeWait_TheyFailAndNobodyEnters()
    {
        SlotQueue queue = Queue(1, 100, 5);
        using SlotQueue.Place holder = queue.Enter(1);
        using SlotQueue.Place waiting = queue.Enter(1);
        Task<int?> moved = waiting.MovedFromAsync(1, Token).AsTask();
        queue.Close();
        (await Should.ThrowAsync<BackendException>(() => moved)).Failure.ShouldBe(BackendFailure.Unavailable);
        Should.Throw<BackendException>(() => queue.Enter(1)).Failure.ShouldBe(BackendFailure.Unavailable);
    }

    [Fact]
    public void Dispose_SeveralMoveUp_TellsAtOnceAndThenInRounds()
    {
        SlotQueue queue = Queue(1, 100, 5);
        using SlotQueue.Place holder = queue.Enter(1);
        SlotQueue.Place[] waiting = [queue.Enter(1), queue.Enter(1), queue.Enter(1), queue.Enter(1)];

        waiting[0].Dispose();
        waiting[3].Position.ShouldBe(3);
        waiting[1].Dispose();
        _time.Advance(0.9 * SlotQueue.Interval);
        waiting[3].Position.ShouldBe(3);
        _time.Advance(0.1 * SlotQueue.Interval);
        waiting[3].Position.ShouldBe(2);
        _time.ArmedTimers.ShouldBe(0);

        _time.Advance(SlotQueue.Interval);
        waiting[2].Dispose();
        waiting[3].Position.ShouldBe(1);
        waiting[3].Dispose();
    }

    [Fact]
    public void Dispose_HolderWhilePositionsAreNotTold_NextHasTheSlotAtOnce()
    {
        SlotQueue queue = Queue(1, 100, 5);
        SlotQueue.Place holder = queue.Enter(1);
        SlotQueue.Place[] waiting = [queue.Enter(1), queue.Enter(1), queue.Enter(1)];
        waiting[0].Dispose();
        waiting[1].Dispose();

        holder.Dispose();

        waiting[2].Position.ShouldBe(0);
        waiting[2].Dispose();
    }

    [Fact]
    public void Dispose_WholeQueueLeaves_TellsPositionsOfFewRounds()
    {
        const int length = 1024;
        SlotQueue queue = Queue(1, length + 1, length);
        using SlotQueue.Place holder = queue.Enter(1);
        List<SlotQueue.Place> waiting = [.. Enumerable.Range(0, length).Select(_ => queue.Enter(1))];
        int[] told = [.. waiting.Select(place => place.Position)];

        // They leave within two intervals.
        int notifications = 0;
        for (int i = 0; i < length; i++)
        {
            waiting[i].Dispose();
            _time.Advance(2 * SlotQueue.Interval / length);
            for (int j = i + 1; j < length; j++)
            {
                if (waiting[j].Position == told[j]) continue;
                told[j] = waiting[j].Position;
                notifications++;
            }
        }

        notifications.ShouldBeLessThanOrEqualTo(3 * length);
        queue.Waiting.ShouldBe(0);
        _time.Advance(SlotQueue.Interval);
        _time.ArmedTimers.ShouldBe(0);
    }

    private SlotQueue Queue(int slots, long memoryPages, int maxQueue) => new(slots, memoryPages, maxQueue, _time);
}
