namespace GrpcLlm.Server.Backends.Gemini;

/// <summary>What the name of a model tells of its habits. Stateless and thread-safe.</summary>
internal static class GeminiModelNames
{
    private static readonly string[] FirstGenerations = ["gemini-1", "gemini-2", "gemma", "learnlm"];

    /// <summary>
    /// Whether it is of the third generation or later: it thinks by levels and checks the signatures of function calls.
    /// Names without a number (<c>gemini-flash-latest</c>) mean the latest.
    /// </summary>
    public static bool IsThirdGeneration(string model) =>
        !FirstGenerations.Any(name => model.Contains(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>Whether it is one of the larger models, which think longer.</summary>
    public static bool IsPro(string model) => model.Contains("-pro", StringComparison.OrdinalIgnoreCase);

    /// <summary>Resource name: <c>models/NAME</c>, or the name itself if it names a collection (<c>tunedModels/NAME</c>).</summary>
    public static string Resource(string model) => model.Contains('/', StringComparison.Ordinal) ? model : "models/" + model;

    /// <summary>The resource name as a path of a URL.</summary>
    public static string Path(string model) => string.Join('/', Resource(model).Split('/').Select(Uri.EscapeDataString));
}
