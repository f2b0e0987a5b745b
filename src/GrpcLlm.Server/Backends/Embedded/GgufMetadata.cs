using System.Globalization;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// The keys and values of a GGUF file, with getters that say what is wrong. Values are boxed numbers, booleans,
/// strings, or one-dimensional arrays of these. Immutable once read.
/// </summary>
internal sealed class GgufMetadata(IReadOnlyDictionary<string, object> values)
{
    /// <summary>All keys.</summary>
    public IEnumerable<string> Keys => values.Keys;

    /// <summary>Whether the key is there.</summary>
    public bool Has(string key) => values.ContainsKey(key);

    /// <summary>A string.</summary>
    /// <exception cref="EmbeddedModelException">Missing without a default, or of another type.</exception>
    public string GetString(string key, string? whenAbsent = null) =>
        Find(key) switch
        {
            null => whenAbsent ?? throw Missing(key),
            string text => text,
            { } other => throw WrongType(key, "a string", other),
        };

    /// <summary>A boolean.</summary>
    /// <exception cref="EmbeddedModelException">Of another type.</exception>
    public bool GetBoolean(string key, bool whenAbsent) =>
        Find(key) switch
        {
            null => whenAbsent,
            bool value => value,
            { } other => throw WrongType(key, "a boolean", other),
        };

    /// <summary>A whole number of any width.</summary>
    /// <param name="key">The key.</param>
    /// <param name="minimum">Smallest value taken.</param>
    /// <param name="maximum">Largest value taken.</param>
    /// <param name="whenAbsent">Value without the key; null makes it required.</param>
    /// <exception cref="EmbeddedModelException">Missing, of another type, or out of range.</exception>
    public int GetInt32(string key, int minimum, int maximum, int? whenAbsent = null)
    {
        object? found = Find(key);
        if (found is null) return whenAbsent ?? throw Missing(key);
        decimal value = found switch
        {
            byte or sbyte or ushort or short or uint or int or ulong or long =>
                Convert.ToDecimal(found, CultureInfo.InvariantCulture),
            _ => throw WrongType(key, "a whole number", found),
        };
        return value >= minimum && value <= maximum
            ? (int)value
            : throw new EmbeddedModelException($"{key} is {value}; must be {minimum} to {maximum}");
    }

    /// <summary>A positive, finite real number.</summary>
    /// <exception cref="EmbeddedModelException">Missing, of another type, or not positive.</exception>
    public float GetPositive(string key, float? whenAbsent = null)
    {
        object? found = Find(key);
        if (found is null) return whenAbsent ?? throw Missing(key);
        float value = found switch
        {
            float single => single,
            double wide => (float)wide,
            _ => throw WrongType(key, "a real number", found),
        };
        return float.IsFinite(value) && value > 0
            ? value
            : throw new EmbeddedModelException($"{key} is {value}; must be a positive number");
    }

    /// <summary>An array; null without the key.</summary>
    /// <exception cref="EmbeddedModelException">Of another type.</exception>
    public T[]? GetArray<T>(string key) =>
        Find(key) switch
        {
            null => null,
            T[] array => array,
            { } other => throw WrongType(key, $"an array of {typeof(T).Name}", other),
        };

    /// <summary>The value as it was read; null without the key.</summary>
    public object? Find(string key) => values.GetValueOrDefault(key);

    private static EmbeddedModelException Missing(string key) => new($"the key {key} is missing");

    private static EmbeddedModelException WrongType(string key, string expected, object found) =>
        new($"{key} must be {expected}, is {found.GetType().Name}");
}
