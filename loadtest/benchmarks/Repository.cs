namespace GrpcLlm.Benchmarks;

/// <summary>Where the sources are.</summary>
internal static class Repository
{
    /// <summary>The folder of the solution, above the program.</summary>
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "GrpcLlm.sln"))) return folder;
        }

        throw new InvalidOperationException("The benchmarks run from a clone of the repository.");
    }
}
