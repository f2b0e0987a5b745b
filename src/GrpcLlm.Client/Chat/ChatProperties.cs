using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;
using GrpcLlm.V1;
using Microsoft.Extensions.AI;

namespace GrpcLlm.Client.Chat;

/// <summary>
/// <see cref="ChatOptions.AdditionalProperties"/>: whatever of the contract the abstractions have no option for. A key is
/// the path of a field of <see cref="GenerateRequest"/>, such as <c>sampling.min_p</c>, <c>labels</c> or
/// <c>limits.time_budget</c>; its value has protobuf's JSON form, or is a <see cref="TimeSpan"/> for a duration. It wins
/// over the option for the same field. Stateless and thread-safe.
/// </summary>
internal static class ChatProperties
{
    /// <summary>Fields that have their own way into the request.</summary>
    private static readonly HashSet<string> Taken = new(StringComparer.Ordinal) { "prompt", "conversation", "tools" };

    /// <summary>Adds properties to a request; what is no field of it is refused.</summary>
    public static void Add(AdditionalPropertiesDictionary properties, GenerateRequest request, ChatRefusals refusals)
    {
        foreach (var (key, value) in properties)
        {
            if (string.Equals(key, ChatTools.StrictKey, StringComparison.Ordinal)) AddStrict(value, request, refusals);
            else if (value is not null) Add(key, value, request, refusals);
        }
    }

    private static void AddStrict(object? value, GenerateRequest request, ChatRefusals refusals)
    {
        if (value is not null && ChatTools.StrictOf(new AdditionalPropertiesDictionary { [ChatTools.StrictKey] = value }) is null)
            refusals.Add(PathOf(ChatTools.StrictKey), "must be true or false");
        else if (value is not null && request.Output?.ResponseFormat?.JsonSchema is null)
            refusals.Add(PathOf(ChatTools.StrictKey), "needs a response format with a schema");
    }

    private static void Add(string key, object value, GenerateRequest request, ChatRefusals refusals)
    {
        var names = key.Split('.');
        if (Taken.Contains(names[0]))
        {
            refusals.Add(PathOf(key), "is set by messages and tools");
            return;
        }

        try
        {
            var node = ToNode(value);
            foreach (var name in names.Reverse()) node = new JsonObject { [name] = node };
            request.MergeFrom(JsonParser.Default.Parse<GenerateRequest>(node!.ToJsonString()));
        }
        catch (Exception exception) when (exception is InvalidProtocolBufferException or JsonException or NotSupportedException or OverflowException)
        {
            refusals.Add(PathOf(key), $"is no field of {nameof(GenerateRequest)}, or its value has another form: {exception.Message}");
        }
    }

    private static JsonNode? ToNode(object value) => value switch
    {
        TimeSpan time => JsonValue.Create(time.TotalSeconds.ToString("0.#######", CultureInfo.InvariantCulture) + "s"),
        float number => JsonValue.Create(double.Parse(number.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)),
        _ => JsonSerializer.SerializeToNode(value, AIJsonUtilities.DefaultOptions.GetTypeInfo(value.GetType())),
    };

    private static string PathOf(string key) => $"options.AdditionalProperties[{key}]";
}
