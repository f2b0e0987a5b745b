using System.Globalization;

namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>What values of a template are to each other: truth, equality, membership, their text. As in Jinja.</summary>
internal static class TemplateValues
{
    /// <summary>The value of what is not there.</summary>
    public static readonly UndefinedValue Undefined = new();

    /// <summary>Whether it counts as true.</summary>
    public static bool IsTrue(object? value) => value switch
    {
        null or UndefinedValue => false,
        bool flag => flag,
        long number => number != 0,
        MarkedText text => text.Length > 0,
        List<object?> list => list.Count > 0,
        Dictionary<string, object?> mapping => mapping.Count > 0,
        _ => true,
    };

    /// <summary>Whether two are equal. Lists and mappings are so only to themselves.</summary>
    public static bool AreEqual(object? left, object? right) =>
        left is MarkedText first && right is MarkedText second
            ? first.Length == second.Length && string.Equals(first.ToString(), second.ToString(), StringComparison.Ordinal)
            : Equals(left, right);

    /// <summary>Whether a value is in another.</summary>
    /// <exception cref="TemplateException">The other cannot hold it.</exception>
    public static bool IsIn(object? value, object? container, TemplateRun run, int line)
    {
        switch (container)
        {
            case MarkedText text when value is MarkedText part:
                run.Charge(text.Length);
                return text.ToString().Contains(part.ToString(), StringComparison.Ordinal);
            case List<object?> list:
                run.Charge(list.Count);
                return list.Exists(item => AreEqual(item, value));
            case Dictionary<string, object?> mapping when KeyOf(value) is { } key:
                return mapping.ContainsKey(key);
            case UndefinedValue:
                return false;
            default:
                throw TemplateException.At(line, $"{KindOf(value)} cannot be in {KindOf(container)}");
        }
    }

    /// <summary>How it is written.</summary>
    /// <exception cref="TemplateException">It is a list or mapping, whose form is Python's own.</exception>
    public static MarkedText TextOf(object? value, int line) => value switch
    {
        MarkedText text => text,
        UndefinedValue => MarkedText.Empty,
        null => MarkedText.Of("None"),
        bool flag => MarkedText.Of(flag ? "True" : "False"),
        long number => MarkedText.Of(number.ToString(CultureInfo.InvariantCulture)),
        _ => throw TemplateException.At(line, $"{KindOf(value)} is not written here"),
    };

    /// <summary>A text as a key; null for anything else.</summary>
    public static string? KeyOf(object? value) => (value as MarkedText)?.ToString();

    /// <summary>What it is, for messages.</summary>
    public static string KindOf(object? value) => value switch
    {
        null => "none",
        UndefinedValue => "an undefined value",
        bool => "a boolean",
        long => "a number",
        MarkedText => "a text",
        List<object?> => "a list",
        _ => "a mapping",
    };

    /// <summary>The type of <see cref="Undefined"/>.</summary>
    internal sealed class UndefinedValue;
}
