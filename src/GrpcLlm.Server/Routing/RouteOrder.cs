namespace GrpcLlm.Server.Routing;

/// <summary>The order in which a call tries the routes of its model. Stateless and thread-safe.</summary>
internal static class RouteOrder
{
    /// <summary>
    /// As configured where routes have no weight. Else drawn: each place goes to one of the routes left, in proportion to
    /// their weights (Efraimidis and Spirakis, weighted random sampling).
    /// </summary>
    /// <param name="routes">Weights on all or on none.</param>
    /// <param name="random">Source of numbers from 0 to 1.</param>
    public static IReadOnlyList<ModelRoute> Of(IReadOnlyList<ModelRoute> routes, Func<double> random) =>
        routes.Count < 2 || routes[0].Weight is null
            ? routes
            : [.. routes.OrderByDescending(route => Math.Pow(random(), 1.0 / route.Weight!.Value))];
}
