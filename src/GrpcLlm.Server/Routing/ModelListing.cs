using System.Buffers.Text;
using System.Text;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Routing;

/// <summary>Tells what the models of a catalog are, page by page. Thread-safe.</summary>
internal static class ModelListing
{
    /// <summary>Models of a page whose size the client leaves open, and the most of any.</summary>
    public const int MaxPageSize = 100;

    /// <summary>One page of the models that the tenant may use, ordered by name.</summary>
    /// <exception cref="CallFailureException">INVALID_REQUEST: a negative size, a token not made here.</exception>
    public static async ValueTask<ListModelsResponse> PageAsync(
        ModelCatalog catalog, Tenant tenant, ListModelsRequest request, CancellationToken cancellationToken)
    {
        var violations = new Violations();
        if (request.PageSize < 0) violations.AddOutOfRange("page_size", "0 or more", request.PageSize);
        if (!TryDecode(request.PageToken, out var after))
            violations.Add("page_token", "must be a next_page_token of this server");
        if (!violations.IsEmpty) throw CallFailureException.Invalid(violations);

        var size = request.PageSize == 0 ? MaxPageSize : Math.Min(request.PageSize, MaxPageSize);
        var rest = catalog.Models.Where(model => string.CompareOrdinal(model.Name, after) > 0 && tenant.MayUse(model))
            .Take(size + 1).ToList();
        var page = rest.Take(size).ToList();
        await Task.WhenAll(page.SelectMany(static model => model.Routes)
            .Select(route => route.Pool.LearnAsync(route.Model, cancellationToken).AsTask()));
        var response = new ListModelsResponse();
        response.Models.AddRange(page.Select(model => Describe(catalog, model)));
        if (rest.Count > size) response.NextPageToken = Encode(page[^1].Name);
        return response;
    }

    /// <summary>What is true of a model whichever route serves it.</summary>
    private static Model Describe(ModelCatalog catalog, ServedModel served)
    {
        var known = served.Routes.Select(static route => route.Backend.Describe(route.Model)).ToList();
        var first = known[0];
        var model = new Model
        {
            Name = served.Name,
            DisplayName = first.DisplayName,
            Description = first.Description,
            Owner = first.Owner,
            IsDefault = catalog.IsDefault(served),
            State = served.Routes.Any(static route => route.Pool.IsUsable) ? ModelState.Available : ModelState.Unavailable,
        };
        model.Aliases.AddRange(served.Aliases);
        model.Backends.AddRange(served.Routes.Select(static route => route.Backend.Name));
        model.InputModalities.AddRange(Common(known, static one => one.InputModalities));
        model.OutputModalities.AddRange(Common(known, static one => one.OutputModalities));
        model.Capabilities.AddRange(Common(known, static one => one.Capabilities));
        if (Smallest(known, static one => one.ContextWindow) is { } window) model.ContextWindow = window;
        if (Smallest(known, static one => one.MaxOutputTokens) is { } limit) model.MaxOutputTokens = limit;
        return model;
    }

    private static IEnumerable<T> Common<T>(List<BackendModel> models, Func<BackendModel, IReadOnlyList<T>> select) =>
        models.Skip(1).Aggregate<BackendModel, IEnumerable<T>>(
            select(models[0]), (common, model) => common.Intersect(select(model)));

    private static uint? Smallest(List<BackendModel> models, Func<BackendModel, uint?> select) =>
        models.TrueForAll(model => select(model) is not null) ? models.Min(select) : null;

    private static string Encode(string name) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(name));

    private static bool TryDecode(string token, out string name)
    {
        name = "";
        if (!Base64Url.IsValid(token)) return false;
        var bytes = Base64Url.DecodeFromChars(token);
        if (!System.Text.Unicode.Utf8.IsValid(bytes)) return false;
        name = Encoding.UTF8.GetString(bytes);
        return true;
    }
}
