namespace GrpcLlm.Server.Backends;

/// <summary>
/// One key of a backend: <c>env:NAME</c>, <c>file:PATH</c>, or the key itself. A file is read again when it changed, so
/// that a key can be exchanged without a restart. Thread-safe. Never prints the key.
/// </summary>
internal sealed class ApiKey
{
    private const string EnvironmentPrefix = "env:";
    private const string FilePrefix = "file:";

    private readonly string _source;
    private (DateTime Written, long Length, string Key) _file;

    /// <param name="source">As configured.</param>
    /// <param name="index">Place in the configuration, from 0.</param>
    public ApiKey(string source, int index)
    {
        _source = source;
        Label = source.StartsWith(EnvironmentPrefix, StringComparison.Ordinal)
            || source.StartsWith(FilePrefix, StringComparison.Ordinal) ? source : $"key{index + 1}";
    }

    /// <summary>What may be told of it: where it comes from, or its number.</summary>
    public string Label { get; }

    /// <summary>The key as it is now.</summary>
    /// <exception cref="BackendException">Misconfigured: its source holds none.</exception>
    public string Read()
    {
        string? key;
        if (_source.StartsWith(EnvironmentPrefix, StringComparison.Ordinal))
            key = Environment.GetEnvironmentVariable(_source[EnvironmentPrefix.Length..]);
        else if (_source.StartsWith(FilePrefix, StringComparison.Ordinal))
            key = ReadFile(_source[FilePrefix.Length..]);
        else
            key = _source;
        key = key?.Trim();
        return key is { Length: > 0 } && !key.Any(char.IsControl)
            ? key
            : throw new BackendException(BackendFailure.Misconfigured, $"The API key {Label} is empty or not there.") { KeyRefused = true };
    }

    public override string ToString() => Label;

    private string? ReadFile(string path)
    {
        try
        {
            var file = new FileInfo(path);
            var known = _file;
            if (known.Key is not null && known.Written == file.LastWriteTimeUtc && known.Length == file.Length) return known.Key;
            var key = File.ReadAllText(path);
            _file = (file.LastWriteTimeUtc, file.Length, key);
            return key;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new BackendException(BackendFailure.Misconfigured, $"The API key {Label} cannot be read.", exception)
            {
                KeyRefused = true,
            };
        }
    }
}
