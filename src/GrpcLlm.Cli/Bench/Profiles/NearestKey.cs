namespace GrpcLlm.Cli.Bench.Profiles;

/// <summary>Which key somebody meant who wrote another one.</summary>
internal static class NearestKey
{
    /// <summary>What ghz calls them on its command line and called them in old configuration files.</summary>
    private static readonly Dictionary<string, string> Others = new(StringComparer.Ordinal)
    {
        ["c"] = "concurrency",
        ["n"] = "total",
        ["z"] = "duration",
        ["x"] = "max-duration",
        ["q"] = "rps",
        ["qps"] = "rps",
        ["r"] = "rps",
        ["t"] = "timeout",
        ["d"] = "data",
        ["D"] = "data-file",
        ["B"] = "binary-file",
        ["m"] = "metadata",
        ["M"] = "metadata-file",
        ["i"] = "import-paths",
        ["o"] = "output",
        ["O"] = "format",
        ["e"] = "enable-compression",
    };

    /// <summary>The nearest one of some keys. Null: none is near.</summary>
    public static string? To(string key, IReadOnlyList<string> keys)
    {
        if (Others.TryGetValue(key, out var meant) && keys.Contains(meant, StringComparer.Ordinal)) return meant;
        var plain = Plain(key);
        var nearest = keys.Select(known => (Key: known, Distance: Distance(plain, Plain(known)))).MinBy(pair => pair.Distance);
        return nearest.Key is not null && nearest.Distance <= Math.Max(1, plain.Length / 3) && nearest.Distance < plain.Length
            ? nearest.Key : null;
    }

    /// <summary>Without what people vary: case, and signs between words.</summary>
    private static string Plain(string key) => string.Concat(key.Where(char.IsLetterOrDigit)).ToLowerInvariant();

    /// <summary>Levenshtein's distance: letters to insert, leave out or replace.</summary>
    private static int Distance(string left, string right)
    {
        var row = Enumerable.Range(0, right.Length + 1).ToArray();
        for (var i = 1; i <= left.Length; i++)
        {
            var corner = row[0];
            row[0] = i;
            for (var j = 1; j <= right.Length; j++)
            {
                var change = corner + (left[i - 1] == right[j - 1] ? 0 : 1);
                corner = row[j];
                row[j] = Math.Min(change, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}
