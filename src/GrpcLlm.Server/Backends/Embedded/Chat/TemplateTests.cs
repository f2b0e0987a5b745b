namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>Tests that templates may make: <c>value is name</c>.</summary>
internal static class TemplateTests
{
    /// <summary>Whether a test holds.</summary>
    /// <exception cref="TemplateException">It is not known.</exception>
    public static bool Holds(string name, object? value, TemplateArguments arguments)
    {
        switch (name)
        {
            case "defined": return value is not TemplateValues.UndefinedValue;
            case "undefined": return value is TemplateValues.UndefinedValue;
            case "none": return value is null;
            case "true": return value is true;
            case "false": return value is false;
            case "boolean": return value is bool;
            case "string": return value is MarkedText;
            case "number" or "integer": return value is long;
            case "mapping": return value is Dictionary<string, object?>;
            case "iterable" or "sequence": return value is MarkedText or List<object?> or Dictionary<string, object?>;
            case "even": return Number() % 2 == 0;
            case "odd": return Number() % 2 != 0;
            case "divisibleby": return arguments.Values is [long and not 0 and not -1] ? Number() % (long)arguments.Values[0]! == 0 : throw Wrong();
            case "equalto" or "eq" or "==": return TemplateValues.AreEqual(value, Argument());
            case "ne" or "!=": return !TemplateValues.AreEqual(value, Argument());
            case "in": return TemplateValues.IsIn(value, Argument(), arguments.Run, arguments.Line);
            default: throw arguments.Fault($"the test '{name}' is not known");
        }

        long Number() => value as long? ?? throw Wrong();

        object? Argument() => arguments.Values is [var argument] ? argument : throw Wrong();

        TemplateException Wrong() => arguments.Fault($"the test '{name}' does not fit {TemplateValues.KindOf(value)} and its arguments");
    }
}
