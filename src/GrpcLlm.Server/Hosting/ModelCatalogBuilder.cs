using GrpcLlm.Server.Routing;

namespace GrpcLlm.Server.Hosting;

/// <summary>Makes the catalog of the settings: the models, routed to their backends. Stateless.</summary>
internal static class ModelCatalogBuilder
{
    /// <param name="options">Valid settings.</param>
    /// <param name="backends">All backends that they name.</param>
    public static ModelCatalog Build(GrpcLlmOptions options, IReadOnlyDictionary<string, SharedBackend> backends)
    {
        var models = options.Models.Values.Select(model => new ServedModel(
            model.Name, model.Aliases,
            [.. model.Routes.Select(route => new ModelRoute(
                backends[route.Backend].Pool, route.Model.Length == 0 ? model.Name : route.Model, route.Weight))])
        {
            Price = model.Price.ToPrice(),
        });
        return new ModelCatalog(models, options.DefaultModel);
    }
}
