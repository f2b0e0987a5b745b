namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>A file of settings in a directory of its own, for a server to read and a test to rewrite.</summary>
internal sealed class SettingsFile : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("grpcllm-settings-");

    public SettingsFile(string content) => Write(content);

    /// <summary>Where it is.</summary>
    public string Path => System.IO.Path.Combine(_directory.FullName, "settings.json");

    /// <summary>Puts other content in its place.</summary>
    public void Write(string content) => File.WriteAllText(Path, content);

    /// <summary>Takes it away.</summary>
    public void Delete() => File.Delete(Path);

    public void Dispose() => _directory.Delete(recursive: true);
}
