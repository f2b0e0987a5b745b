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
    }
}
