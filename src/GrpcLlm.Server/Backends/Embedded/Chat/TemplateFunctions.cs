namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>Arguments of a call.</summary>
/// <param name="Run">The run that it is part of.</param>
/// <param name="Line">Its line.</param>
/// <param name="Values">Arguments by place.</param>
/// <param name="Named">Arguments by name.</param>
internal sealed record TemplateArguments(
    TemplateRun Run, int Line, IReadOnlyList<object?> Values, IReadOnlyDictionary<string, object?> Named)
{
    /// <summary>An error at the call.</summary>
    public TemplateException Fault(string message) => TemplateException.At(Line, message);

    /// <summary>An argument that must be a text.</summary>
    public MarkedText Text(int index) =>
        index < Values.Count && Values[index] is MarkedText text ? text : throw Fault($"argument {index + 1} must be a text");

    /// <summary>An argument that must be a text if it is there; null if not.</summary>
    public MarkedText? TextIfAny(int index) => index < Values.Count ? Text(index) : null;
}

/// <summary>Functions, and methods of texts and mappings, that templates may call.</summary>
internal static class TemplateFunctions
{
    private const int MostNumbers = 10_000;

    /// <summary>Calls a function.</summary>
    public static object? Call(string name, TemplateArguments arguments) => name switch
    {
        "raise_exception" => throw new TemplateException(ByTemplate(arguments.Text(0))),
        "namespace" or "dict" => new Dictionary<string, object?>(arguments.Named, StringComparer.Ordinal),
        "range" => Range(arguments),
        _ => throw arguments.Fault($"the function '{name}' is not known"),
    };

    /// <summary>Calls a method.</summary>
    public static object? CallMethod(string name, object? target, TemplateArguments arguments)
    {
        switch (target)
        {
            case MarkedText text:
                arguments.Run.Charge(text.Length);
                return CallOnText(name, text, arguments);
            case Dictionary<string, object?> mapping:
                arguments.Run.Charge(mapping.Count);
                return CallOnMapping(name, mapping, arguments);
            default:
                throw arguments.Fault($"{TemplateValues.KindOf(target)} has no method '{name}'");
        }
    }

    /// <summary>Replaces every occurrence of a text.</summary>
    public static MarkedText Replace(MarkedText text, MarkedText old, MarkedText replacement, TemplateArguments arguments)
    {
        if (old.Length == 0) throw arguments.Fault("the text to replace is empty");
        var pieces = new List<MarkedText>();
        foreach (MarkedText piece in text.Split(old.ToString()))
        {
            if (pieces.Count > 0) pieces.Add(replacement);
            arguments.Run.Charge(text.Parts.Count + replacement.Parts.Count);
            pieces.Add(piece);
        }

        return MarkedText.Join(pieces);
    }

    private static object CallOnText(string name, MarkedText text, TemplateArguments arguments)
    {
        switch (name)
        {
            case "strip": return text.Trim(Trimmed(arguments));
            case "lstrip": return text.Trim(Trimmed(arguments), atEnd: false);
            case "rstrip": return text.Trim(Trimmed(arguments), atStart: false);
            case "startswith": return text.ToString().StartsWith(arguments.Text(0).ToString(), StringComparison.Ordinal);
            case "endswith": return text.ToString().EndsWith(arguments.Text(0).ToString(), StringComparison.Ordinal);
            case "replace": return Replace(text, arguments.Text(0), arguments.Text(1), arguments);
            case "split": return Split(text, arguments);
            case "upper" or "lower" or "capitalize": return TemplateFilters.InCase(name, text);
            case "title": return TemplateFilters.InCase("words", text);
            default: throw arguments.Fault($"a text has no method '{name}' here");
        }
    }

    private static object? CallOnMapping(string name, Dictionary<string, object?> mapping, TemplateArguments arguments)
    {
        switch (name)
        {
            case "get":
                return mapping.TryGetValue(arguments.Text(0).ToString(), out object? value) ? value
                    : arguments.Values.Count > 1 ? arguments.Values[1] : null;
            case "keys": return mapping.Keys.Select(object? (key) => MarkedText.Of(key)).ToList();
            case "values": return mapping.Values.ToList();
            case "items":
                return mapping.Select(object? (entry) => new List<object?> { MarkedText.Of(entry.Key), entry.Value }).ToList();
            default: throw arguments.Fault($"a mapping has no method '{name}' here");
        }
    }

    private static Func<char, bool> Trimmed(TemplateArguments arguments) =>
        arguments.TextIfAny(0)?.ToString() is { } characters ? characters.Contains : char.IsWhiteSpace;

    private static List<object?> Split(MarkedText text, TemplateArguments arguments)
    {
        string separator = arguments.Text(0).ToString();
        if (separator.Length == 0 || arguments.Values.Count > 1) throw arguments.Fault("split takes one text that is not empty");
        var pieces = new List<object?>();
        foreach (MarkedText piece in text.Split(separator))
        {
            arguments.Run.Charge(text.Parts.Count);
            pieces.Add(piece);
        }

        return pieces;
    }

    private static List<object?> Range(TemplateArguments arguments)
    {
        long[] bounds = [.. arguments.Values.Select(value => value as long? ?? throw arguments.Fault("range takes whole numbers"))];
        (long start, long end) = bounds.Length switch
        {
            1 => (0, bounds[0]),
            2 => (bounds[0], bounds[1]),
            _ => throw arguments.Fault("range takes one or two numbers here"),
        };
        if ((Int128)end - start > MostNumbers) throw arguments.Fault($"a range has at most {MostNumbers} numbers here");
        arguments.Run.Charge(Math.Max(0, end - start));
        var numbers = new List<object?>();
        for (long number = start; number < end; number++) numbers.Add(number);
        return numbers;
    }

    // The message may have words of the conversation put in, which belong in no error.
    private static string ByTemplate(MarkedText message) => string.Concat(message.Parts.Select(part =>
        part.Author == MarkedText.Template ? part.Source.Substring(part.Start, part.Length) : "…"));
}
