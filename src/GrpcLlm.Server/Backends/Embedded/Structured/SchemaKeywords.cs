using System.Text.Json;

namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>Reads the keywords of one schema into its node. See <see cref="SchemaReader"/> for what is supported.</summary>
/// <param name="reader">The whole schema's reader.</param>
/// <param name="node">The node.</param>
/// <param name="schema">The schema's object.</param>
internal sealed class SchemaKeywords(SchemaReader reader, SchemaNode node, JsonElement schema)
{
    private const string WholeSchema = "it and 'type' must stand alone";

    private readonly HashSet<string> _required = new(StringComparer.Ordinal);
    private string? _alone;
    private string? _limiting;
    private string? _pattern;

    /// <summary>Reads all of them.</summary>
    public void Read()
    {
        if (schema.TryGetProperty("required", out JsonElement required)) ReadRequired(required, PointerTo("required"));
        foreach (JsonProperty keyword in schema.EnumerateObject())
        {
            if (!IsAnnotation(keyword.Name)) Read(keyword.Name, keyword.Value, PointerTo(keyword.Name));
        }

        AddUndeclared();
        ApplyLengths();
        CheckPropertyCounts();
    }

    // What says nothing about which values are valid. Definitions are read where they are referred to.
    private bool IsAnnotation(string keyword) => keyword is
        "title" or "description" or "default" or "examples" or "deprecated" or "readOnly" or "writeOnly" or "$comment"
        or "$defs" or "definitions" || (keyword is "$schema" or "$id" && node.Pointer == "#");

    private void Read(string keyword, JsonElement value, string pointer)
    {
        switch (keyword)
        {
            case "type":
                ReadTypes(value, pointer);
                return;
            case "$ref":
                ReadAlone(keyword, pointer);
                if (value.ValueKind != JsonValueKind.String) reader.Refuse(pointer, "must be a string");
                else node.AnyOf = [reader.Resolve(value.GetString()!, pointer)];
                return;
            case "const":
                ReadAlone(keyword, pointer);
                node.Literals = [value];
                return;
            case "enum":
                ReadAlone(keyword, pointer);
                node.Literals = [.. ArrayOf(value, pointer)];
                return;
            case "anyOf" or "oneOf" or "allOf":
                ReadAlone(keyword, pointer);
                node.AnyOf = SchemasOf(value, pointer);
                node.IsExclusive = keyword == "oneOf";
                if (keyword == "allOf" && node.AnyOf.Count > 1) reader.Refuse(pointer, "is supported with one schema only");
                return;
        }

        if (_alone is { } other) reader.Refuse(pointer, $"is not supported beside '{other}': {WholeSchema}");
        _limiting ??= keyword;
        if (ReadObjectKeyword(keyword, value, pointer) || ReadArrayKeyword(keyword, value, pointer)) return;
        if (ReadStringKeyword(keyword, value, pointer) || ReadNumberKeyword(keyword, value, pointer)) return;
        reader.Refuse(pointer, "is not a supported keyword");
    }

    private void ReadAlone(string keyword, string pointer)
    {
        if ((_alone ?? _limiting) is { } other)
            reader.Refuse(pointer, $"is not supported beside '{other}': {WholeSchema}");
        _alone = keyword;
    }

    private void ReadTypes(JsonElement value, string pointer)
    {
        JsonTypes types = JsonTypes.None;
        foreach (JsonElement name in value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : new[] { value })
        {
            if (name.ValueKind == JsonValueKind.String && SchemaReader.TypeOf(name.GetString()) is { } type) types |= type;
            else reader.Refuse(pointer, "must be the name of a type, or an array of such");
        }

        node.Types = types;
    }

    private bool ReadObjectKeyword(string keyword, JsonElement value, string pointer)
    {
        switch (keyword)
        {
            case "properties":
                if (value.ValueKind != JsonValueKind.Object)
                {
                    reader.Refuse(pointer, "must be an object");
                    return true;
                }

                node.Properties = [.. value.EnumerateObject().Select(property => new SchemaProperty(
                    property.Name,
                    reader.NodeOf(property.Value, SchemaReader.PointerTo(pointer, property.Name)),
                    _required.Contains(property.Name)))];
                if (!schema.TryGetProperty("additionalProperties", out _)) node.FurtherProperties = null;
                return true;
            case "additionalProperties":
                node.FurtherProperties =
                    value.ValueKind == JsonValueKind.False ? null : reader.NodeOf(value, pointer);
                return true;
            case "minProperties":
                node.MinProperties = CountOf(value, pointer);
                if (node.MinProperties > StructuredLimits.MinProperties)
                    reader.Refuse(pointer, $"must be at most {StructuredLimits.MinProperties} here");
                return true;
            case "maxProperties":
                node.MaxProperties = CountOf(value, pointer);
                return true;
            default:
                return keyword == "required"; // read already
        }
    }

    private bool ReadArrayKeyword(string keyword, JsonElement value, string pointer)
    {
        switch (keyword)
        {
            case "items":
                node.Items = value.ValueKind == JsonValueKind.False ? null : reader.NodeOf(value, pointer);
                return true;
            case "prefixItems":
                node.FirstItems = SchemasOf(value, pointer);
                return true;
            case "minItems":
                node.MinItems = CountOf(value, pointer);
                return true;
            case "maxItems":
                node.MaxItems = CountOf(value, pointer);
                return true;
            default:
                return false;
        }
    }

    private bool ReadStringKeyword(string keyword, JsonElement value, string pointer)
    {
        switch (keyword)
        {
            case "minLength":
                node.MinLength = CountOf(value, pointer);
                return true;
            case "maxLength":
                node.MaxLength = CountOf(value, pointer);
                return true;
            case "pattern" when value.ValueKind == JsonValueKind.String:
                ReadPattern(value.GetString()!, pointer);
                return true;
            case "pattern":
                reader.Refuse(pointer, "must be a string");
                return true;
            case "format":
                string? pattern = value.ValueKind == JsonValueKind.String ? StringFormats.PatternOf(value.GetString()) : null;
                if (pattern is null) reader.Refuse(pointer, $"is not supported: there are {StringFormats.Known}");
                else ReadPattern(pattern, pointer);
                return true;
            default:
                return false;
        }
    }

    private void ReadPattern(string pattern, string pointer)
    {
        if (_pattern is not null)
        {
            reader.Refuse(pointer, "is not supported: 'pattern' and 'format' stand beside each other");
            return;
        }

        _pattern = pointer;
        try
        {
            node.Pattern = PatternDfa.Compile(pattern, reader.PatternSteps);
        }
        catch (PatternException exception)
        {
            reader.Refuse(pointer, exception.Message);
        }
    }

    private bool ReadNumberKeyword(string keyword, JsonElement value, string pointer)
    {
        if (keyword is not ("minimum" or "maximum" or "exclusiveMinimum" or "exclusiveMaximum" or "multipleOf")) return false;
        if (value.ValueKind != JsonValueKind.Number)
        {
            reader.Refuse(pointer, "must be a number");
            return true;
        }

        if (!NumberRange.TryReadBound(value, out decimal bound))
        {
            reader.Refuse(pointer, $"must have at most {StructuredLimits.Digits} digits behind the point");
            return true;
        }

        switch (keyword)
        {
            case "multipleOf":
                ReadMultipleOf(bound, pointer);
                break;
            case "minimum" or "exclusiveMinimum":
                node.Numbers = node.Numbers.AtLeast(bound, keyword != "minimum");
                break;
            default:
                node.Numbers = node.Numbers.AtMost(bound, keyword != "maximum");
                break;
        }

        return true;
    }

    private void ReadMultipleOf(decimal factor, string pointer)
    {
        if (factor is >= 1 and <= StructuredLimits.MultipleOf && decimal.IsInteger(factor))
        {
            node.Numbers = node.Numbers with { MultipleOf = (int)factor, FractionDigits = 0 };
            return;
        }

        int digits = 0;
        for (decimal unit = 1; unit > factor && digits < StructuredLimits.Digits; unit /= 10) digits++;
        if (factor > 0 && digits < StructuredLimits.Digits && factor == TenthTo(digits))
            node.Numbers = node.Numbers with { FractionDigits = digits };
        else
            reader.Refuse(pointer, $"must be a whole number from 1 to {StructuredLimits.MultipleOf}, or 0.1, 0.01 and so on");
    }

    private static decimal TenthTo(int digits) => new(1, 0, 0, false, (byte)digits);

    private void ReadRequired(JsonElement value, string pointer)
    {
        foreach (JsonElement name in ArrayOf(value, pointer))
        {
            if (name.ValueKind == JsonValueKind.String) _required.Add(name.GetString()!);
            else reader.Refuse(pointer, "must be an array of strings");
        }
    }

    // A required property that is not declared is written after those that are, with the schema of further ones.
    private void AddUndeclared()
    {
        SchemaNode further = schema.TryGetProperty("additionalProperties", out JsonElement value)
            ? reader.NodeOf(value, PointerTo("additionalProperties"))
            : reader.Any;
        var declared = node.Properties.Select(property => property.Name).ToHashSet(StringComparer.Ordinal);
        node.Properties =
        [
            .. node.Properties,
            .. _required.Where(name => !declared.Contains(name)).Select(name => new SchemaProperty(name, further, true)),
        ];
    }

    private void ApplyLengths()
    {
        if (node.Pattern is not { } pattern) return;
        node.Pattern = pattern.WithLength(node.MinLength, node.MaxLength, reader.PatternSteps);
        if (node.Pattern is null)
            reader.Refuse(_pattern!, "needs too large an automaton together with minLength and maxLength");
    }

    private void CheckPropertyCounts()
    {
        if (node.Properties.Count == 0) return;
        foreach (string keyword in (ReadOnlySpan<string>)["minProperties", "maxProperties"])
        {
            if (schema.TryGetProperty(keyword, out _))
                reader.Refuse(PointerTo(keyword), "is not supported beside 'properties' and 'required'");
        }
    }

    private List<SchemaNode> SchemasOf(JsonElement value, string pointer)
    {
        List<JsonElement> schemas = ArrayOf(value, pointer);
        if (schemas.Count == 0) reader.Refuse(pointer, "must be an array of schemas, at least one");
        return [.. schemas.Select((element, index) => reader.NodeOf(element, $"{pointer}/{index}"))];
    }

    private List<JsonElement> ArrayOf(JsonElement value, string pointer)
    {
        if (value.ValueKind == JsonValueKind.Array) return [.. value.EnumerateArray()];
        reader.Refuse(pointer, "must be an array");
        return [];
    }

    // Above what an int holds is no limit for a maximum and out of reach for a minimum.
    private int CountOf(JsonElement value, string pointer)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetUInt64(out ulong count)) return (int)Math.Min(count, int.MaxValue);
        reader.Refuse(pointer, "must be a whole number from 0");
        return 0;
    }

    private string PointerTo(string keyword) => SchemaReader.PointerTo(node.Pointer, keyword);
}
