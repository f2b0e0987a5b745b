using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Telemetry;

public sealed class SlotRingTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Slot_IsTheSameUntilItsTimeIsOver()
    {
        var ring = new SlotRing<object>(3, TimeSpan.FromSeconds(5), _time, static () => new object());
        var first = ring.Current;

        _time.Advance(TimeSpan.FromSeconds(4.9));
        ring.Current.ShouldBeSameAs(first);
        _time.Advance(TimeSpan.FromSeconds(0.1));

        ring.Current.ShouldNotBeSameAs(first);
        ring.Number.ShouldBe(1);
        ring.At(0).ShouldBeSameAs(first);
    }

    [Fact]
    public void Slot_ThatIsTooOldEmptyOrYetToCome_IsNone()
    {
        var ring = new SlotRing<object>(3, TimeSpan.FromSeconds(5), _time, static () => new object());
        _ = ring.Current;
        _time.Advance(TimeSpan.FromSeconds(15));
        var latest = ring.Current;

        ring.At(-1).ShouldBeNull();
        ring.At(0).ShouldBeNull();
        ring.At(1).ShouldBeNull();
        ring.At(3).ShouldBeSameAs(latest);
        ring.At(6).ShouldBeNull();
    }

    [Fact]
    public void ManyAtOnce_ShareOneSlot()
    {
        var ring = new SlotRing<object>(3, TimeSpan.FromSeconds(5), _time, static () => new object());

        var slots = new System.Collections.Concurrent.ConcurrentDictionary<object, bool>();
        Parallel.For(0, 1000, _ => slots.TryAdd(ring.Current, true));

        slots.ShouldHaveSingleItem();
    }
}
