using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Routing;

/// <summary>One way to serve a model.</summary>
/// <param name="Pool">Who serves, and the lanes that lead there.</param>
/// <param name="Model">The backend's own name of the model.</param>
/// <param name="Weight">Share of calls that try it first; null: routes are tried in order.</param>
internal sealed record ModelRoute(LanePool Pool, string Model, int? Weight = null)
{
    /// <summary>Who serves.</summary>
    public IBackend Backend => Pool.Backend;

    /// <summary>What metrics and spans tell of it.</summary>
    public UpstreamIdentity Upstream { get; } = UpstreamIdentity.Of(Pool.Backend, Model);
}

/// <summary>A model that this deployment serves.</summary>
/// <param name="Name">Its name on the wire.</param>
/// <param name="Aliases">Other names for it.</param>
/// <param name="Routes">Ways to serve it, in the order in which they are tried; at least one.</param>
internal sealed record ServedModel(string Name, IReadOnlyList<string> Aliases, IReadOnlyList<ModelRoute> Routes)
{
    /// <summary>Whether any of its backends looks at a call's metadata.</summary>
    public bool ReadsMetadata { get; } = Routes.Any(static route => route.Backend.ReadsMetadata);

    /// <summary>What its tokens cost; null: no price is known.</summary>
    public Price? Price { get; init; }
}

/// <summary>
/// The models of a deployment, by name and alias, compared ordinally. Immutable and thread-safe.
/// </summary>
internal sealed class ModelCatalog
{
    private readonly Dictionary<string, ServedModel> _byName = new(StringComparer.Ordinal);
    private readonly string _defaultModel;

    /// <param name="models">All models; names and aliases are unique among them.</param>
    /// <param name="defaultModel">Name or alias of the model for requests that name none.</param>
    public ModelCatalog(IEnumerable<ServedModel> models, string defaultModel)
    {
        Models = [.. models.OrderBy(static model => model.Name, StringComparer.Ordinal)];
        foreach (var model in Models)
        {
            _byName.Add(model.Name, model);
            foreach (var alias in model.Aliases) _byName.Add(alias, model);
        }

        _defaultModel = _byName[defaultModel].Name;
    }

    /// <summary>All models, ordered by name.</summary>
    public IReadOnlyList<ServedModel> Models { get; }

    /// <summary>The model of that name or alias; the default for an empty name.</summary>
    /// <exception cref="CallFailureException">MODEL_NOT_FOUND.</exception>
    public ServedModel Find(string name)
    {
        if (_byName.TryGetValue(name.Length == 0 ? _defaultModel : name, out var model)) return model;
        throw new CallFailureException(ErrorReason.ModelNotFound, "No such model here; ListModels names those there are.")
        {
            ResourceName = name,
        };
    }

    /// <summary>Whether an empty name means this model.</summary>
    public bool IsDefault(ServedModel model) => string.Equals(model.Name, _defaultModel, StringComparison.Ordinal);

    /// <summary>
    /// The routes of a model that can honour a request, in order. A route that cannot is skipped.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="request">The request.</param>
    /// <param name="metadata">What of the call's metadata is for backends: <see cref="BackendCall.Metadata"/>.</param>
    /// <exception cref="CallFailureException">
    /// INVALID_REQUEST: none can; the violations are those of the first. Or one of them does not honour the metadata, of
    /// which no part is ever left out in silence.
    /// </exception>
    public static IReadOnlyList<ModelRoute> RoutesFor(
        ServedModel model, GenerateRequest request, IReadOnlyDictionary<string, string> metadata)
    {
        if (metadata.Count > 0) CheckMetadata(model, metadata);
        Violations? ofFirst = null;
        List<ModelRoute>? able = null;
        foreach (var route in model.Routes)
        {
            var violations = new Violations();
            route.Backend.FindUnsupported(request, route.Model, violations);
            if (violations.IsEmpty) (able ??= new List<ModelRoute>(model.Routes.Count)).Add(route);
            else ofFirst ??= violations;
        }

        return able ?? throw CallFailureException.Invalid(ofFirst!);
    }

    private static void CheckMetadata(ServedModel model, IReadOnlyDictionary<string, string> metadata)
    {
        var violations = new Violations();
        foreach (var route in model.Routes)
        {
            route.Backend.FindUnsupported(metadata, violations);
            if (!violations.IsEmpty) throw CallFailureException.Invalid(violations);
        }
    }
}
