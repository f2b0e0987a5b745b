namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>Filters that templates may apply.</summary>
internal static class TemplateFilters
{
    /// <summary>Applies a filter.</summary>
    /// <exception cref="TemplateException">It is not known, or has no meaning for the value.</exception>
    public static object? Apply(string name, object? target, TemplateArguments arguments)
    {
        if (target is MarkedText whole) arguments.Run.Charge(whole.Length);
        switch (name)
        {
            case "default" or "d":
                return target is TemplateValues.UndefinedValue || (IsSet(arguments, 1) && !TemplateValues.IsTrue(target))
                    ? arguments.Values.Count > 0 ? arguments.Values[0] : MarkedText.Empty
                    : target;
            case "string": return TemplateValues.TextOf(target, arguments.Line);
            case "safe": return target;
            case "trim": return TextIn().Trim(char.IsWhiteSpace);
            case "upper" or "lower" or "title" or "capitalize": return InCase(name, TextIn());
            case "replace": return TemplateFunctions.Replace(TextIn(), arguments.Text(0), arguments.Text(1), arguments);
            case "length" or "count": return LengthOf(target, arguments);
            case "list": return ListIn();
            case "first": return ListIn() is [var first, ..] ? first : TemplateValues.Undefined;
            case "last": return ListIn() is [.., var last] ? last : TemplateValues.Undefined;
            case "reverse": return Enumerable.Reverse(ListIn()).ToList();
            case "join": return Join(ListIn(), arguments);
            case "selectattr": return Select(ListIn(), arguments, wanted: true);
            case "rejectattr": return Select(ListIn(), arguments, wanted: false);
            case "map" when arguments.Named.TryGetValue("attribute", out object? attribute):
                return ListIn().ConvertAll(item => MemberOf(item, attribute));
            default: throw arguments.Fault($"the filter '{name}' is not known");
        }

        MarkedText TextIn() => target as MarkedText
            ?? throw arguments.Fault($"the filter '{name}' is for texts, not for {TemplateValues.KindOf(target)}");

        List<object?> ListIn()
        {
            if (target is not List<object?> list)
                throw arguments.Fault($"the filter '{name}' is for lists, not for {TemplateValues.KindOf(target)}");
            arguments.Run.Charge(list.Count);
            return list;
        }
    }

    private static bool IsSet(TemplateArguments arguments, int index) =>
        index < arguments.Values.Count && TemplateValues.IsTrue(arguments.Values[index]);

    /// <summary>A text in another case.</summary>
    /// <param name="name">
    /// <c>upper</c>; <c>lower</c>; <c>capitalize</c>: its first letter upper; <c>title</c>: so is that of each word, as Jinja's
    /// filter sees words; <c>words</c>: as Python's method does, for which <c>'</c> begins one too.
    /// </param>
    /// <param name="text">The text.</param>
    public static MarkedText InCase(string name, MarkedText text)
    {
        char previous = '\0';
        return MarkedText.Join(text.Parts.Select(part => MarkedText.Of(
            string.Create(part.Length, part, (changed, source) =>
            {
                for (int i = 0; i < changed.Length; i++)
                {
                    char character = source.Source[source.Start + i];
                    bool isUpper = name switch
                    {
                        "upper" => true,
                        "title" => previous == '\0' || char.IsWhiteSpace(previous) || "-({[<".Contains(previous),
                        "words" => !char.IsLetter(previous),
                        "capitalize" => previous == '\0',
                        _ => false,
                    };
                    changed[i] = isUpper ? char.ToUpperInvariant(character) : char.ToLowerInvariant(character);
                    previous = character;
                }
            }),
            part.Author)));
    }

    private static long LengthOf(object? value, TemplateArguments arguments) => value switch
    {
        MarkedText text => text.Length,
        List<object?> list => list.Count,
        Dictionary<string, object?> mapping => mapping.Count,
        TemplateValues.UndefinedValue => 0,
        _ => throw arguments.Fault($"{TemplateValues.KindOf(value)} has no length"),
    };

    private static MarkedText Join(List<object?> list, TemplateArguments arguments)
    {
        MarkedText separator = arguments.TextIfAny(0) ?? MarkedText.Empty;
        var pieces = new List<MarkedText>();
        foreach (object? item in list)
        {
            if (pieces.Count > 0) pieces.Add(separator);
            pieces.Add(TemplateValues.TextOf(item, arguments.Line));
        }

        foreach (MarkedText piece in pieces) arguments.Run.Charge(piece.Parts.Count);
        return MarkedText.Join(pieces);
    }

    // selectattr('role', 'equalto', 'user'), or without a test for what is true.
    private static List<object?> Select(List<object?> list, TemplateArguments arguments, bool wanted)
    {
        MarkedText attribute = arguments.Text(0);
        string? test = arguments.TextIfAny(1)?.ToString();
        TemplateArguments rest = arguments with { Values = [.. arguments.Values.Skip(2)] };
        return list.FindAll(item =>
        {
            object? member = MemberOf(item, attribute);
            return wanted == (test is null ? TemplateValues.IsTrue(member) : TemplateTests.Holds(test, member, rest));
        });
    }

    private static object? MemberOf(object? item, object? name) =>
        item is Dictionary<string, object?> mapping && TemplateValues.KeyOf(name) is { } key
            && mapping.TryGetValue(key, out object? value) ? value : TemplateValues.Undefined;
}
