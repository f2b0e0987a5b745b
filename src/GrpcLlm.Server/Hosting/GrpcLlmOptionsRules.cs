using System.Globalization;

namespace GrpcLlm.Server.Hosting;

/// <summary>Rules that span several settings. Stateless.</summary>
internal static class GrpcLlmOptionsRules
{
    private const int MaxNameChars = 128;

    public static void Check(GrpcLlmOptions options, List<string> errors)
    {
        if (options.Models.Count == 0) errors.Add("GrpcLlm:Models: at least one model is required");
        foreach (var name in options.Backends.Keys.Where(static name => name.Length > MaxNameChars))
            errors.Add($"GrpcLlm:Backends:{name}: names must have 1 to {MaxNameChars} characters");
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (key, model) in options.Models) CheckModel($"GrpcLlm:Models:{key}", model, options, names, errors);
        if (options.DefaultModel.Length > 0 && !names.Contains(options.DefaultModel))
            errors.Add($"GrpcLlm:DefaultModel: '{options.DefaultModel}' is not the name or alias of a model");
        CheckResilience(options, errors);
        options.Telemetry.Check("GrpcLlm:Telemetry", errors);
        TenantRules.Check(options.Tenants, names, errors);
    }

    private static void CheckModel(
        string path, ModelOptions model, GrpcLlmOptions options, HashSet<string> names, List<string> errors)
    {
        foreach (var name in model.Aliases.Prepend(model.Name))
        {
            if (name.Length is 0 or > MaxNameChars) errors.Add($"{path}: names must have 1 to {MaxNameChars} characters");
            else if (!names.Add(name)) errors.Add($"{path}: the name '{name}' is taken by another model or alias");
        }

        if (model.Routes.Count == 0) errors.Add($"{path}:Routes: at least one route is required");
        for (var index = 0; index < model.Routes.Count; index++)
        {
            var backend = model.Routes[index].Backend;
            if (!options.Backends.ContainsKey(backend))
                errors.Add($"{path}:Routes:{index}:Backend: '{backend}' is not a configured backend");
        }

        model.Price.Check($"{path}:Price", errors);
        if (model.Routes.Exists(static route => route.Weight is null) && model.Routes.Exists(static route => route.Weight is not null))
            errors.Add($"{path}:Routes: Weight must be on all routes of a model or on none");
    }

    private static void CheckResilience(GrpcLlmOptions options, List<string> errors)
    {
        Check("GrpcLlm:Resilience", options.Resilience);
        foreach (var (name, backend) in options.Backends)
        {
            if (backend.Section.GetSection(nameof(BackendSettings.Resilience)).Exists())
                Check($"GrpcLlm:Backends:{name}:Resilience", backend.Resilience.Over(options.Resilience));

            // Where it stands in the settings; a default is cut by the total without a word.
            if (TimeSpan.TryParse(backend.Section["FirstTokenTimeout"], CultureInfo.InvariantCulture, out var attempt)
                && attempt > options.Resilience.TotalTimeout)
                errors.Add($"GrpcLlm:Backends:{name}:FirstTokenTimeout: must not exceed GrpcLlm:Resilience:TotalTimeout, {options.Resilience.TotalTimeout}");
        }

        void Check(string path, ResilienceOptions resilience)
        {
            if (resilience.MaxDelay < resilience.BaseDelay) errors.Add($"{path}:MaxDelay: must not be less than BaseDelay, {resilience.BaseDelay}");
            if (resilience.HedgeAfter >= resilience.TotalTimeout)
                errors.Add($"{path}:HedgeAfter: must be less than TotalTimeout, {resilience.TotalTimeout}");
        }
    }
}
