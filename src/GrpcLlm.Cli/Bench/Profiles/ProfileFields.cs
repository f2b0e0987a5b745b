using System.Globalization;
using System.Text.Json;

namespace GrpcLlm.Cli.Bench.Profiles;

/// <summary>
/// The members of a profile, read one by one with their types. Each read makes the key known; what is wrong is collected,
/// and the read gives null. Not thread-safe.
/// </summary>
internal sealed class ProfileFields
{
    private static readonly (string Unit, long Bytes)[] Sizes =
    [
        ("kib", 1L << 10), ("mib", 1L << 20), ("gib", 1L << 30), ("ki", 1L << 10), ("mi", 1L << 20), ("gi", 1L << 30),
        ("kb", 1_000), ("mb", 1_000_000), ("gb", 1_000_000_000), ("k", 1_000), ("m", 1_000_000), ("g", 1_000_000_000), ("b", 1), ("", 1),
    ];

    private readonly Dictionary<string, JsonElement> _values = new(StringComparer.Ordinal);
    private readonly List<string> _known = [];

    /// <summary>Takes the members of an object. As in Go, null is a key that is not given.</summary>
    public ProfileFields(JsonElement root)
    {
        foreach (var member in root.EnumerateObject())
        {
            if (!_values.TryAdd(member.Name, member.Value)) Mistake(member.Name, "stands there twice");
        }
    }

    /// <summary>What is wrong, as <c>key: reason</c>.</summary>
    public List<string> Mistakes { get; } = [];

    /// <summary>Notes what is wrong with a key.</summary>
    public void Mistake(string key, string reason) => Mistakes.Add($"{key}: {reason}");

    /// <summary>Whether a key stands there with a value.</summary>
    public bool Has(string key) => _values.TryGetValue(key, out var value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>A text; an empty one is not given, as ghz takes it.</summary>
    public string? Text(string key)
    {
        if (Find(key) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.String) return Wrong<string>(key, "a text", value);
        return value.GetString() is { Length: > 0 } text ? text : null;
    }

    /// <summary>One of some words.</summary>
    public string? Choice(string key, params ReadOnlySpan<string> words)
    {
        if (Text(key) is not { } text) return null;
        foreach (var word in words)
        {
            if (string.Equals(word, text, StringComparison.Ordinal)) return word;
        }

        Mistake(key, $"'{text}' is none of {string.Join(", ", words)}");
        return null;
    }

    /// <summary>True or false; false where it is not given.</summary>
    public bool Flag(string key)
    {
        if (Find(key) is not { } value) return false;
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False) return value.GetBoolean();
        Wrong<string>(key, "true or false", value);
        return false;
    }

    /// <summary>A whole number from <paramref name="least"/> on.</summary>
    public long? Number(string key, long least, long most = int.MaxValue)
    {
        if (Find(key) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt64(out var number))
        {
            Wrong<string>(key, "a whole number", value);
            return null;
        }

        if (number >= least && number <= most) return number;
        Mistake(key, $"{number} is not from {least} to {most}");
        return null;
    }

    /// <summary>A whole number of which 0 means that it is not given.</summary>
    public int? Count(string key) => Number(key, least: 0) is > 0 and var number ? (int)number : null;

    /// <summary>
    /// A duration in Go's form. A bare number has no unit: of those, ghz takes 0 alone, and so does this.
    /// </summary>
    public TimeSpan? Time(string key)
    {
        if (Find(key) is not { } value) return null;
        var text = value.ValueKind switch
        {
            JsonValueKind.String => value.GetString()!,
            JsonValueKind.Number => value.GetRawText(),
            _ => Wrong<string>(key, "a duration such as \"10s\"", value),
        };
        if (text is null) return null;
        if (GoDuration.TryParse(text, out var duration, out var mistake)) return duration;
        Mistake(key, mistake);
        return null;
    }

    /// <summary>A duration of which 0 means that it is not given.</summary>
    public TimeSpan? TimeAboveZero(string key) => Time(key) is { Ticks: > 0 } duration ? duration : null;

    /// <summary>A size in bytes: a number, or a text such as <c>42 MB</c> (thousands) or <c>42 MiB</c>.</summary>
    public long? Size(string key)
    {
        if (Find(key) is not { } value) return null;
        var text = value.ValueKind switch
        {
            JsonValueKind.String => value.GetString()!.Trim().ToLowerInvariant(),
            JsonValueKind.Number => value.GetRawText(),
            _ => Wrong<string>(key, "a size such as \"4 MiB\"", value),
        };
        if (text is null or "") return null;
        var (unit, bytes) = Array.Find(Sizes, size => text.EndsWith(size.Unit, StringComparison.Ordinal));
        var digits = text[..^unit.Length].Trim();
        if (decimal.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && number * bytes >= 1 && number * bytes <= int.MaxValue)
        {
            return (long)(number * bytes);
        }

        Mistake(key, $"'{text}' is no size from 1 byte to 2 GiB; write 4194304 or \"4 MiB\"");
        return null;
    }

    /// <summary>A list of texts.</summary>
    public IReadOnlyList<string> Texts(string key)
    {
        if (Find(key) is not { } value) return [];
        if (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String))
            return [.. value.EnumerateArray().Select(item => item.GetString()!)];
        Wrong<string>(key, "an array of texts", value);
        return [];
    }

    /// <summary>An object of texts.</summary>
    public IReadOnlyDictionary<string, string> Map(string key)
    {
        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        if (Find(key) is not { } value) return texts;
        if (value.ValueKind != JsonValueKind.Object)
        {
            Wrong<string>(key, "an object of texts", value);
            return texts;
        }

        foreach (var member in value.EnumerateObject())
        {
            if (member.Value.ValueKind == JsonValueKind.String) texts[member.Name] = member.Value.GetString()!;
            else Mistake($"{key}.{member.Name}", $"a text is expected, not {Word(member.Value)}");
        }

        return texts;
    }

    /// <summary>An object, or an array of at least one object.</summary>
    public JsonElement? Data(string key)
    {
        if (Find(key) is not { } value) return null;
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
            case JsonValueKind.Array when value.GetArrayLength() > 0 && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Object):
                return value.Clone();
            case JsonValueKind.Array:
                Mistake(key, value.GetArrayLength() == 0 ? "the array is empty" : "the array holds something else than objects");
                return null;
            case JsonValueKind.String:
                Mistake(key, "ghz takes no text here; write the object itself, or use data-file");
                return null;
            default:
                Wrong<string>(key, "an object or an array of objects", value);
                return null;
        }
    }

    /// <summary>Notes every key that nothing asked for, with the known key that is nearest to it.</summary>
    public void RefuseUnknown()
    {
        foreach (var key in _values.Keys.Except(_known, StringComparer.Ordinal))
        {
            var nearest = NearestKey.To(key, _known);
            Mistake(key, nearest is null ? "is no key of a ghz configuration" : $"is no key of a ghz configuration; did you mean '{nearest}'?");
        }
    }

    private JsonElement? Find(string key)
    {
        _known.Add(key);
        return _values.TryGetValue(key, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    private T? Wrong<T>(string key, string expected, JsonElement found) where T : class
    {
        Mistake(key, $"{expected} is expected, not {Word(found)}");
        return null;
    }

    private static string Word(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => "a text",
        JsonValueKind.Number => value.GetRawText(),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        JsonValueKind.Array => "an array",
        JsonValueKind.Object => "an object",
        _ => "null",
    };
}
