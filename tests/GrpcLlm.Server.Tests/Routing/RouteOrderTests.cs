using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Routing;

public sealed class RouteOrderTests
{
    [Fact]
    public void NoWeights_KeepTheOrderAndDrawNothing()
    {
        ModelRoute[] routes = [Route("a", null), Route("b", null)];

        RouteOrder.Of(routes, static () => throw new InvalidOperationException()).ShouldBeSameAs(routes);
    }

    [Fact]
    public void Weights_DecideTheShareOfFirstPlaces()
    {
        ModelRoute[] routes = [Route("a", 1), Route("b", 3), Route("c", 6)];
        var random = new Random(7);
        var first = Enumerable.Range(0, 10_000).Select(_ => RouteOrder.Of(routes, random.NextDouble)[0].Backend.Name)
            .CountBy(static name => name).ToDictionary(StringComparer.Ordinal);

        first["a"].ShouldBeInRange(850, 1150);
        first["b"].ShouldBeInRange(2750, 3250);
        first["c"].ShouldBeInRange(5700, 6300);
    }

    [Fact]
    public void Weights_AllRoutesAreInTheOrderOnce()
    {
        ModelRoute[] routes = [Route("a", 1), Route("b", 1_000_000), Route("c", 5)];
        var random = new Random(7);
        for (var draw = 0; draw < 100; draw++)
            RouteOrder.Of(routes, random.NextDouble).ShouldBe(routes, ignoreOrder: true);
    }

    private static ModelRoute Route(string name, int? weight) => new(Lanes.To(new FakeBackend(name)), "m", weight);
}
