using GrpcLlm.Server.Backends;

namespace GrpcLlm.Server.Tests.Backends;

public sealed class SlotQueueTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void Enter_SlotsFree_HasOneAtOnce()
    {
        var queue = new SlotQueue(2, 100, 0);
        using SlotQueue.Place first = queue.Enter(1);
        using SlotQueue.Place second = queue.Enter(1);
        first.Position.ShouldBe(0);
        second.Position.ShouldBe(0);
        queue.FreeSlots.ShouldBe(0);
    }

    [Fact]
    public void Enter_QueueFull_IsOverloaded()
    {
        var queue = new SlotQueue(1, 100, 1);
        using SlotQueue.Place first = queue.Enter(1);
        using SlotQueue.Place second = queue.Enter(1);
        Should.Throw<BackendException>(() => queue.Enter(1)).Failure.ShouldBe(BackendFailure.Overloaded);
        queue.Waiting.ShouldBe(1);
    }

    [Fact]
    public void Dispose_Slot_AdmitsInOrderAndMovesTheRestUp()
    {
        var queue = new SlotQueue(1, 100, 3);
        SlotQueue.Place first = queue.Enter(1);
        SlotQueue.Place[] waiting = [queue.Enter(1), queue.Enter(1), queue.Enter(1)];
        waiting.Select(place => place.Position).ShouldBe([1, 2, 3]);
        first.Dispose();
        waiting.Select(place => place.Position).ShouldBe([0, 1, 2]);
        waiting[1].Dispose();
        waiting.Where(place => place != waiting[1]).Select(place => place.Position).ShouldBe([0, 1]);
        waiting[0].Dispose();
        waiting[2].Position.ShouldBe(0);
        waiting[2].Dispose();
        queue.FreeSlots.ShouldBe(1);
    }

    [Fact]
    public void Dispose_Twice_GivesBackOnce()
    {
        var queue = new SlotQueue(2, 100, 0);
        SlotQueue.Place place = queue.Enter(1);
        place.Dispose();
        place.Dispose();
        queue.FreeSlots.ShouldBe(2);
    }

    [Fact]
    public void Enter_MemoryTaken_WaitsAndIsNotOvertaken()
    {
        var queue = new SlotQueue(10, 10, 10);
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
        var queue = new SlotQueue(1, 100, 3);
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
        var queue = new SlotQueue(1, 100, 5);
        using SlotQueue.Place holder = queue.Enter(1);
        SlotQueue.Place[] waiting = [queue.Enter(1), queue.Enter(1), queue.Enter(1)];
        waiting[0].Dispose();
        waiting[1].Dispose();
        (await waiting[2].MovedFromAsync(3, Token)).ShouldBe(1);
        waiting[2].Dispose();
    }

    [Fact]
    public async Task Close_SomeWait_TheyFailAndNobodyEnters()
    {
        var queue = new SlotQueue(1, 100, 5);
        using SlotQueue.Place holder = queue.Enter(1);
        using SlotQueue.Place waiting = queue.Enter(1);
        Task<int?> moved = waiting.MovedFromAsync(1, Token).AsTask();
        queue.Close();
        (await Should.ThrowAsync<BackendException>(() => moved)).Failure.ShouldBe(BackendFailure.Unavailable);
        Should.Throw<BackendException>(() => queue.Enter(1)).Failure.ShouldBe(BackendFailure.Unavailable);
    }
}
