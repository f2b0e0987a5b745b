using System.Text.Json;

namespace GrpcLlm.Client;

/// <summary>A tool call of an answer. Immutable.</summary>
public sealed class AnswerToolCall
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    internal AnswerToolCall(uint index, string id, string name, string argumentsJson, bool isDone)
    {
        Index = index;
        Id = id;
        Name = name;
        ArgumentsJson = argumentsJson;
        IsDone = isDone;
    }

    /// <summary>Ordinal of the call within the answer, from 0.</summary>
    public uint Index { get; }

    /// <summary>Name of this call, for the tool's result.</summary>
    public string Id { get; }

    /// <summary>Name of the tool.</summary>
    public string Name { get; }

    /// <summary>The arguments as they came: one JSON object; empty means <c>{}</c>. Unfinished if the call was cut off.</summary>
    public string ArgumentsJson { get; }

    /// <summary>Whether the call is complete. A call that was cut off must not be carried out.</summary>
    public bool IsDone { get; }

    /// <summary>The arguments as a JSON object, read strictly: no comments, no trailing commas, no name twice.</summary>
    /// <exception cref="JsonException">They are not one JSON object, as after a cut.</exception>
    public JsonElement ParseArguments()
    {
        var element = JsonElement.Parse(ArgumentsJson.Length > 0 ? ArgumentsJson : "{}", Strict);
        return element.ValueKind == JsonValueKind.Object
            ? element
            : throw new JsonException($"The arguments of tool call '{Id}' are {element.ValueKind}, not an object.");
    }

    /// <summary>As <see cref="ParseArguments"/>, without an exception.</summary>
    /// <param name="arguments">The object; undefined if there is none.</param>
    public bool TryParseArguments(out JsonElement arguments)
    {
        try
        {
            arguments = ParseArguments();
            return true;
        }
        catch (JsonException)
        {
            arguments = default;
            return false;
        }
    }
}
