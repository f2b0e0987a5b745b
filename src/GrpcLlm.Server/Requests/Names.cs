using System.Collections.Frozen;
using System.Reflection;
using Google.Protobuf.Reflection;

namespace GrpcLlm.Server.Requests;

/// <summary>
/// Names of a contract enum's values without the enum's own prefix, as buf's STANDARD style puts it in front of each:
/// <c>FINISH_REASON_STOP_SEQUENCE</c> is <c>STOP_SEQUENCE</c>. Thread-safe.
/// </summary>
/// <typeparam name="TEnum">A generated enum.</typeparam>
internal static class Names<TEnum>
    where TEnum : struct, Enum
{
    private static readonly FrozenDictionary<TEnum, string> Upper = Load();

    private static readonly FrozenDictionary<TEnum, string> Lower =
        Upper.ToFrozenDictionary(pair => pair.Key, pair => pair.Value.ToLowerInvariant());

    /// <summary>Name in upper case; the number of a value that this server does not know.</summary>
    public static string Of(TEnum value) => Upper.TryGetValue(value, out var name) ? name : value.ToString("D");

    /// <summary>Name in lower case; the number of a value that this server does not know.</summary>
    public static string LowerOf(TEnum value) => Lower.TryGetValue(value, out var name) ? name : value.ToString("D");

    /// <summary>Whether this server knows the value.</summary>
    public static bool IsKnown(TEnum value) => Upper.ContainsKey(value);

    private static FrozenDictionary<TEnum, string> Load()
    {
        var fields = typeof(TEnum).GetFields(BindingFlags.Public | BindingFlags.Static);
        var names = fields.ToDictionary(
            field => (TEnum)field.GetValue(null)!,
            field => field.GetCustomAttribute<OriginalNameAttribute>()?.Name ?? field.Name);
        const string zero = "UNSPECIFIED";
        var unspecified = names[default];
        var prefix = unspecified.EndsWith(zero, StringComparison.Ordinal) ? unspecified[..^zero.Length] : "";
        return names.ToFrozenDictionary(pair => pair.Key, pair => pair.Value[prefix.Length..]);
    }
}
