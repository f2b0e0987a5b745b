using GrpcLlm.Fuzz.Targets;

namespace GrpcLlm.Fuzz;

/// <summary>All targets. A target keeps no state between cases.</summary>
public static class FuzzTargets
{
    /// <summary>Makes them, in the order in which a run of all takes them.</summary>
    public static IReadOnlyList<FuzzTarget> Create() =>
    [
        new StreamTarget(ProviderFormat.OpenAi),
        new StreamTarget(ProviderFormat.Anthropic),
        new StreamTarget(ProviderFormat.Gemini),
        new StreamTarget(ProviderFormat.Ollama),
        new RefusalTarget(),
        new AskTarget(),
        new RequestTarget(),
        new ArgumentsTarget(),
        new JsonTarget(),
        new MetadataTarget(),
        new SchemaTarget(),
        new SettingsTarget(),
        new GgufTarget(),
    ];
}
