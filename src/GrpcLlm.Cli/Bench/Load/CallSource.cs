using GrpcLlm.Cli.Bench.Profiles;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Bench.Load;

/// <summary>What the calls of a run send: the data of a profile, or the lines of a data set in its place. Thread-safe.</summary>
/// <param name="templates">Data and headers.</param>
/// <param name="dataset">Requests that calls take in turn; null: the data of the templates.</param>
internal sealed class CallSource(CallTemplates templates, IReadOnlyList<GenerateRequest>? dataset)
{
    /// <summary>Model of calls that name none; empty: the deployment's default.</summary>
    public string Model { get; init; } = "";

    /// <summary>Most output tokens of calls that set none; null: the server's default.</summary>
    public uint? MaxTokens { get; init; }

    /// <summary>The model that all calls name; empty: the default, or it varies.</summary>
    public string ModelInUse()
    {
        var models = dataset is null
            ? [Of(0, "").Request.Model]
            : dataset.Select(request => request.Model.Length > 0 ? request.Model : Model).Distinct(StringComparer.Ordinal).Take(2).ToList();
        return models.Count == 1 ? models[0] : "";
    }

    /// <summary>The call of a number.</summary>
    /// <param name="number">From 0.</param>
    /// <param name="workerId">Who makes it: letters and digits.</param>
    public RenderedCall Of(long number, string workerId)
    {
        var call = templates.Render(number, workerId);
        var request = dataset is null ? call.Request : dataset[(int)(number % dataset.Count)];
        var needsModel = Model.Length > 0 && request.Model.Length == 0;
        var needsLimit = MaxTokens is not null && request.Limits is not { HasMaxOutputTokens: true };
        if (!needsModel && !needsLimit) return call with { Request = request };

        request = request.Clone();
        if (needsModel) request.Model = Model;
        if (needsLimit) (request.Limits ??= new GenerationLimits()).MaxOutputTokens = MaxTokens!.Value;
        return call with { Request = request };
    }
}
