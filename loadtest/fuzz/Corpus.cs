namespace GrpcLlm.Fuzz;

/// <summary>Inputs that lie beside the program: recorded ones to start from, and those that once showed a fault.</summary>
internal static class Corpus
{
    /// <summary>The inputs of a target, in the order of their names.</summary>
    public static IReadOnlyList<(string Name, byte[] Input)> Load(string target)
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "corpus", target);
        if (!Directory.Exists(folder)) return [];
        return [.. Directory.GetFiles(folder).Order(StringComparer.Ordinal).Select(static file => (Path.GetFileName(file), File.ReadAllBytes(file)))];
    }
}
