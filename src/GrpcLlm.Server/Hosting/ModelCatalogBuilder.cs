using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Routing;
using Microsoft.Extensions.Options;

namespace GrpcLlm.Server.Hosting;

/// <summary>Makes the catalog of the settings: all backends, then the models that are routed to them.</summary>
internal static class ModelCatalogBuilder
{
    /// <exception cref="OptionsValidationException">With every error, each naming its key.</exception>
    public static ModelCatalog Build(GrpcLlmOptions options, BackendFactory factory)
    {
        var errors = new List<string>();
        var backends = new Dictionary<string, IBackend>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, settings) in options.Backends)
        {
            if (factory.Create(name, settings, errors) is { } backend) backends.Add(name, backend);
        }

        if (errors.Count > 0)
            throw new OptionsValidationException(GrpcLlmOptions.Section, typeof(GrpcLlmOptions), errors);

        var models = options.Models.Values.Select(model => new ServedModel(
            model.Name, model.Aliases,
            [.. model.Routes.Select(route => new ModelRoute(
                backends[route.Backend], route.Model.Length == 0 ? model.Name : route.Model))]));
        return new ModelCatalog(models, options.DefaultModel);
    }
}
