using System.Text.Json;
using GrpcLlm.V1;

namespace GrpcLlm.Cli;

/// <summary>
/// Tools as JSON: an array of objects with <c>name</c>, <c>description</c>, <c>parameters</c> (a JSON schema) and
/// <c>strict</c>, each bare or, as many files have it, under <c>function</c>.
/// </summary>
internal static class ToolsText
{
    /// <summary>Reads tools. A schema is kept to the letter.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">Where it came from, for errors.</param>
    /// <exception cref="UsageException">They are no tools.</exception>
    public static IReadOnlyList<Tool> Parse(string json, string source)
    {
        try
        {
            var root = JsonElement.Parse(json);
            if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty("tools", out var inner)) root = inner;
            return root.ValueKind == JsonValueKind.Array
                ? [.. root.EnumerateArray().Select((tool, index) => ToolOf(tool, $"'{source}', tool {index + 1}"))]
                : throw new UsageException($"'{source}' is no list of tools: an array is expected.");
        }
        catch (JsonException exception)
        {
            throw new UsageException($"'{source}' is no list of tools: {exception.Message}");
        }
    }

    private static Tool ToolOf(JsonElement element, string place)
    {
        if (element.ValueKind == JsonValueKind.Object && element.TryGetProperty("function", out var function)) element = function;
        if (element.ValueKind != JsonValueKind.Object) throw new UsageException($"{place}: an object is expected.");
        var tool = new Tool();
        foreach (var property in element.EnumerateObject())
        {
            var value = property.Value;
            switch (property.Name, value.ValueKind)
            {
                case ("name", JsonValueKind.String):
                    tool.Name = value.GetString();
                    break;
                case ("description", JsonValueKind.String):
                    tool.Description = value.GetString();
                    break;
                case ("parameters", JsonValueKind.Object):
                    tool.ParametersJsonSchema = value.GetRawText();
                    break;
                case ("strict", JsonValueKind.True or JsonValueKind.False):
                    tool.Strict = value.GetBoolean();
                    break;
                case ("type", JsonValueKind.String) when value.ValueEquals("function"):
                    break;
                default:
                    throw new UsageException($"{place}: '{property.Name}' is not known, or its value has another form.");
            }
        }

        return tool.Name is { Length: > 0 } ? tool : throw new UsageException($"{place}: 'name' is missing.");
    }
}
