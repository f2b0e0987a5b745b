using System.Text;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// The section <c>GrpcLlm</c> as it stood at one moment, so that all of one deployment is read from the same state while
/// files change. Holds secrets: never printed. Immutable and thread-safe.
/// </summary>
internal sealed class SettingsSnapshot
{
    private readonly SortedDictionary<string, string?> _values;

    private SettingsSnapshot(SortedDictionary<string, string?> values)
    {
        _values = values;
        Configuration = new ConfigurationBuilder().AddInMemoryCollection(values).Build();
    }

    /// <summary>The values as configuration.</summary>
    public IConfiguration Configuration { get; }

    /// <summary>Takes the state of now.</summary>
    public static SettingsSnapshot Take(IConfiguration configuration)
    {
        // A source that reloads meanwhile would be read half before and half after; two readings that agree are whole.
        var values = Read(configuration);
        while (true)
        {
            var again = Read(configuration);
            if (values.SequenceEqual(again)) return new SettingsSnapshot(again);
            values = again;
        }
    }

    /// <summary>All values of some sections as one text: equal texts, equal settings.</summary>
    /// <param name="paths">Full paths of the sections.</param>
    public string TextOf(params ReadOnlySpan<string> paths)
    {
        var text = new StringBuilder();
        foreach (var path in paths)
        {
            foreach (var (key, value) in _values)
            {
                if (!IsWithin(key, path)) continue;

                // With lengths, so that no value can be taken for a key.
                text.Append(key.Length).Append(':').Append(key.ToUpperInvariant()).Append('=')
                    .Append(value?.Length ?? -1).Append(':').Append(value).Append('\n');
            }
        }

        return text.ToString();
    }

    /// <summary>Whether there is any value in a section.</summary>
    public bool Has(string path) => _values.Keys.Any(key => IsWithin(key, path));

    /// <summary>Keys whose value differs between two states, or that only one of them has.</summary>
    public IEnumerable<string> DifferingKeys(SettingsSnapshot other) =>
        _values.Keys.Union(other._values.Keys, StringComparer.OrdinalIgnoreCase).Where(key =>
            !_values.TryGetValue(key, out var value) || !other._values.TryGetValue(key, out var otherValue)
            || !string.Equals(value, otherValue, StringComparison.Ordinal));

    private static SortedDictionary<string, string?> Read(IConfiguration configuration)
    {
        var values = new SortedDictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        foreach (var (key, value) in configuration.GetSection(GrpcLlmOptions.Section).AsEnumerable()) values[key] = value;
        return values;
    }

    private static bool IsWithin(string key, string path) =>
        key.StartsWith(path, StringComparison.OrdinalIgnoreCase) && (key.Length == path.Length || key[path.Length] == ':');
}
