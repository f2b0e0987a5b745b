using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Structured;

/// <summary>
/// Validates values against schemas, straight from the specification and with nothing of the compiler's: the judge of
/// what the masks let through. Knows the keywords that the compiler takes.
/// </summary>
internal sealed class SchemaValidator(JsonElement root)
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <summary>Why a text is no valid document of a schema; null if it is one.</summary>
    public static string? Fault(string schema, string text)
    {
        try
        {
            // Strict: no duplicate properties, no trailing commas, no comments, at most 64 levels.
            var value = JsonElement.Parse(text, Strict);
            var root = JsonElement.Parse(schema);
            return new SchemaValidator(root).Fault(root, value, "$");
        }
        catch (JsonException exception)
        {
            return exception.Message;
        }
    }

    private string? Fault(JsonElement schema, JsonElement value, string path)
    {
        if (schema.ValueKind == JsonValueKind.True) return null;
        if (schema.ValueKind == JsonValueKind.False) return $"{path} is nothing that may be";
        return schema.EnumerateObject()
            .Select(keyword => Fault(schema, keyword.Name, keyword.Value, value, path))
            .FirstOrDefault(fault => fault is not null);
    }

    private string? Fault(JsonElement schema, string keyword, JsonElement limit, JsonElement value, string path)
    {
        var isValid = keyword switch
        {
            "type" => limit.ValueKind == JsonValueKind.Array
                ? limit.EnumerateArray().Any(type => IsOfType(type.GetString()!, value))
                : IsOfType(limit.GetString()!, value),
            "enum" => limit.EnumerateArray().Any(one => JsonElement.DeepEquals(one, value)),
            "const" => JsonElement.DeepEquals(limit, value),
            "anyOf" => limit.EnumerateArray().Any(one => Fault(one, value, path) is null),
            "oneOf" => limit.EnumerateArray().Count(one => Fault(one, value, path) is null) == 1,
            "allOf" => limit.EnumerateArray().All(one => Fault(one, value, path) is null),
            "$ref" => Fault(Resolve(limit.GetString()!), value, path) is null,
            _ => true,
        };
        if (!isValid) return $"{path} breaks {keyword} {limit}";
        return value.ValueKind switch
        {
            JsonValueKind.Object => FaultInObject(schema, keyword, limit, value, path),
            JsonValueKind.Array => FaultInArray(schema, keyword, limit, value, path),
            JsonValueKind.String => IsValidString(keyword, limit, value.GetString()!) ? null : $"{path} breaks {keyword} {limit}",
            JsonValueKind.Number => IsValidNumber(keyword, limit, value.GetRawText()) ? null : $"{path} breaks {keyword} {limit}",
            _ => null,
        };
    }

    private string? FaultInObject(JsonElement schema, string keyword, JsonElement limit, JsonElement value, string path)
    {
        var names = value.EnumerateObject().Select(property => property.Name).ToList();
        switch (keyword)
        {
            case "required":
                return limit.EnumerateArray().FirstOrDefault(name => !names.Contains(name.GetString()!)) is { ValueKind: not JsonValueKind.Undefined } missing
                    ? $"{path} lacks {missing}"
                    : null;
            case "properties":
                return value.EnumerateObject()
                    .Select(property => limit.TryGetProperty(property.Name, out var inner) ? Fault(inner, property.Value, $"{path}.{property.Name}") : null)
                    .FirstOrDefault(fault => fault is not null);
            case "additionalProperties":
                var declared = schema.TryGetProperty("properties", out var properties)
                    ? properties.EnumerateObject().Select(property => property.Name).ToHashSet()
                    : [];
                return value.EnumerateObject().Where(property => !declared.Contains(property.Name))
                    .Select(property => Fault(limit, property.Value, $"{path}.{property.Name}"))
                    .FirstOrDefault(fault => fault is not null);
            case "minProperties":
                return names.Count >= limit.GetInt32() ? null : $"{path} has too few properties";
            case "maxProperties":
                return names.Count <= limit.GetInt32() ? null : $"{path} has too many properties";
            default:
                return null;
        }
    }

    private string? FaultInArray(JsonElement schema, string keyword, JsonElement limit, JsonElement value, string path)
    {
        var items = value.EnumerateArray().ToList();
        switch (keyword)
        {
            case "prefixItems":
                return limit.EnumerateArray().Zip(items, (inner, item) => Fault(inner, item, $"{path}[]"))
                    .FirstOrDefault(fault => fault is not null);
            case "items":
                var first = schema.TryGetProperty("prefixItems", out var prefix) ? prefix.GetArrayLength() : 0;
                return items.Skip(first).Select((item, i) => Fault(limit, item, $"{path}[{first + i}]"))
                    .FirstOrDefault(fault => fault is not null);
            case "minItems":
                return items.Count >= limit.GetInt32() ? null : $"{path} has too few elements";
            case "maxItems":
                return items.Count <= limit.GetInt32() ? null : $"{path} has too many elements";
            default:
                return null;
        }
    }

    private static bool IsValidString(string keyword, JsonElement limit, string value) => keyword switch
    {
        "minLength" => value.EnumerateRunes().Count() >= limit.GetInt32(),
        "maxLength" => value.EnumerateRunes().Count() <= limit.GetInt32(),
        "pattern" => Regex.IsMatch(InOneUnitEach(value), limit.GetString()!, RegexOptions.ECMAScript, TimeSpan.FromSeconds(10)),
        "format" => limit.GetString() switch
        {
            "date" => DateOnly.TryParseExact(value, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _),
            "time" => DateTimeOffset.TryParse($"2000-01-01T{value}", CultureInfo.InvariantCulture, out _),
            "date-time" => DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, out _),
            "uuid" => Guid.TryParseExact(value, "D", out _),
            "ipv4" => System.Net.IPAddress.TryParse(value, out var address) && address.ToString() == value,
            _ => false,
        },
        _ => true,
    };

    // .NET's expressions count UTF-16 units, JSON Schema's characters: any private one stands for those of two units.
    private static string InOneUnitEach(string value) =>
        string.Concat(value.EnumerateRunes().Select(rune => rune.IsBmp ? rune.ToString() : "\uE000"));

    private static bool IsValidNumber(string keyword, JsonElement limit, string text)
    {
        var value = decimal.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
        decimal Limit() => decimal.Parse(limit.GetRawText(), NumberStyles.Float, CultureInfo.InvariantCulture);
        return keyword switch
        {
            "minimum" => value >= Limit(),
            "exclusiveMinimum" => value > Limit(),
            "maximum" => value <= Limit(),
            "exclusiveMaximum" => value < Limit(),
            "multipleOf" => value % Limit() == 0,
            _ => true,
        };
    }

    private static bool IsOfType(string type, JsonElement value) => type switch
    {
        "null" => value.ValueKind == JsonValueKind.Null,
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "integer" => value.ValueKind == JsonValueKind.Number && value.GetDecimal() % 1 == 0,
        "number" => value.ValueKind == JsonValueKind.Number,
        "string" => value.ValueKind == JsonValueKind.String,
        "array" => value.ValueKind == JsonValueKind.Array,
        "object" => value.ValueKind == JsonValueKind.Object,
        _ => false,
    };

    private JsonElement Resolve(string reference) => reference.Split('/').Skip(1).Aggregate(
        root, (element, part) => element.ValueKind == JsonValueKind.Array ? element[int.Parse(part)] : element.GetProperty(part));
}
