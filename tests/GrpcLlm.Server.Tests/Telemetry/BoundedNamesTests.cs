using GrpcLlm.Server.Telemetry;

namespace GrpcLlm.Server.Tests.Telemetry;

public sealed class BoundedNamesTests
{
    [Fact]
    public void Names_BeyondTheLimit_AreOther()
    {
        var names = new BoundedNames(2);

        names.Of("a").ShouldBe("a");
        names.Of("b").ShouldBe("b");
        names.Of("c").ShouldBe("_other");
        names.Of("a").ShouldBe("a");
        names.Of("A").ShouldBe("_other");
    }

    [Fact]
    public void Names_FromManyThreads_StayBounded()
    {
        var names = new BoundedNames(10);
        var told = new System.Collections.Concurrent.ConcurrentDictionary<string, bool>(StringComparer.Ordinal);

        Parallel.For(0, 1000, index => told[names.Of($"{index % 50}")] = true);

        told.Count.ShouldBeLessThanOrEqualTo(11);
    }
}
