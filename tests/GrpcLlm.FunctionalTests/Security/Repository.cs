namespace GrpcLlm.FunctionalTests.Security;

/// <summary>The files of the project that these tests were built from.</summary>
internal static class Repository
{
    /// <summary>Its root.</summary>
    public static string Root { get; } = FindRoot();

    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "GrpcLlm.sln")))
            folder = Path.GetDirectoryName(folder) ?? throw new DirectoryNotFoundException("No GrpcLlm.sln above the tests.");
        return folder;
    }
}
