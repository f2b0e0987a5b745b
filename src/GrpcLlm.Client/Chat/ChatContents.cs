using System.Text.Encodings.Web;
using System.Text.Json;
using Google.Protobuf;
using GrpcLlm.V1;
using Microsoft.Extensions.AI;

namespace GrpcLlm.Client.Chat;

/// <summary>Contents of the abstractions and parts of the contract, one by one. Stateless and thread-safe.</summary>
internal static class ChatContents
{
    /// <summary><see cref="ErrorContent.ErrorCode"/> of a model's refusal, as other clients of the abstractions have it.</summary>
    public const string RefusalCode = "Refusal";

    private const string ImageType = "image";

    /// <summary>The types that the abstractions know, without the white space that a model would have to read.</summary>
    private static readonly JsonSerializerOptions Json = new(AIJsonUtilities.DefaultOptions)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        WriteIndented = false,
    };

    /// <summary>Makes a part of anything but text, reasoning and refusal; null, and a refusal noted, where there is none.</summary>
    public static ContentPart? ToPart(AIContent content, string path, ChatRefusals refusals)
    {
        switch (content)
        {
            case DataContent or UriContent:
                return ToImage(content, path, refusals) is { } image ? new ContentPart { Image = image } : null;
            case FunctionCallContent { Exception: not null } or FunctionCallContent { InformationalOnly: true }:
                refusals.Add(path, "is a function call that could not be read, was cut off or was carried out elsewhere");
                return null;
            case FunctionCallContent call:
                return new ContentPart { ToolCall = ToToolCall(call) };
            case FunctionResultContent result:
                return new ContentPart { ToolResult = ToToolResult(result, path, refusals) };
            default:
                // What the abstractions have no type for comes as a part of the contract.
                if (content.GetType() == typeof(AIContent) && content.RawRepresentation is ContentPart part) return part.Clone();
                refusals.Add(path, $"is a {content.GetType().Name}, which the service has no place for");
                return null;
        }
    }

    /// <summary>Makes contents of a complete part: one, and one that carries its signature where it has no place for it.</summary>
    public static IEnumerable<AIContent> Of(ContentPart part)
    {
        // What is nothing but a signature is reasoning without text, whatever it was called.
        var callId = part.ContentCase == ContentPart.ContentOneofCase.ToolCall ? part.ToolCall.Id : "";
        var kind = (part.Text + part.Refusal + callId).Length == 0 ? ContentPart.ContentOneofCase.Reasoning : part.ContentCase;
        var signature = part.Signature.IsEmpty ? null : PartSignature.Of(kind, callId, part.Signature);
        AIContent content = kind switch
        {
            ContentPart.ContentOneofCase.Text => new TextContent(part.Text),
            ContentPart.ContentOneofCase.Refusal => new ErrorContent(part.Refusal) { ErrorCode = RefusalCode },
            ContentPart.ContentOneofCase.ToolCall => OfCall(part.ToolCall.Id, part.ToolCall.Name, part.ToolCall.ArgumentsJson),
            _ => new TextReasoningContent(part.Reasoning) { ProtectedData = signature?.ToString() },
        };
        content.RawRepresentation = part;
        return signature is null or { Target: SignatureTarget.Reasoning } ? [content] : [content, signature.ToContent()];
    }

    /// <summary>A function call of the model that came whole.</summary>
    public static FunctionCallContent OfCall(string id, string name, string argumentsJson)
    {
        var arguments = argumentsJson.Length > 0 ? argumentsJson : "{}";
        var content = FunctionCallContent.CreateFromParsedArguments(arguments, id, name, ParseArguments);

        // What cannot be read must not be carried out with no arguments at all.
        content.InformationalOnly = content.Exception is not null;
        return content;
    }

    /// <summary>A function call that was cut off: told, but nobody is to carry it out.</summary>
    public static FunctionCallContent OfCutCall(string id, string name) => new(id, name)
    {
        Exception = new InvalidOperationException("The answer ended before the arguments of the function call were complete."),
        InformationalOnly = true,
    };

    /// <summary>Members in the order and with the digits in which they came.</summary>
    private static Dictionary<string, object?> ParseArguments(string json)
    {
        var arguments = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (var property in JsonElement.Parse(json).EnumerateObject())
            arguments[property.Name] = property.Value.ValueKind == JsonValueKind.Null ? null : property.Value;
        return arguments;
    }

    private static ToolCall ToToolCall(FunctionCallContent call) => new()
    {
        Id = call.CallId,
        Name = call.Name,
        ArgumentsJson = call.Arguments is { Count: > 0 } arguments ? ToJson(arguments) : "{}",
    };

    private static ToolResult ToToolResult(FunctionResultContent content, string path, ChatRefusals refusals)
    {
        var result = new ToolResult { ToolCallId = content.CallId, IsError = content.Exception is not null };

        // The exception's own words may name what a model must not learn; who wants them told puts them into the result.
        if (content is { Result: null, Exception: not null }) result.Parts.Add(new ContentPart { Text = "The function failed." });
        else result.Parts.Add(ToResultParts(content.Result, $"{path}.Result", refusals));
        return result;
    }

    private static IEnumerable<ContentPart> ToResultParts(object? result, string path, ChatRefusals refusals) => result switch
    {
        null or JsonElement { ValueKind: JsonValueKind.Null or JsonValueKind.Undefined } => [],
        string text => [new ContentPart { Text = text }],
        JsonElement { ValueKind: JsonValueKind.String } text => [new ContentPart { Text = text.GetString() }],
        TextContent text => [new ContentPart { Text = text.Text }],
        AIContent content => ToPart(content, path, refusals) is { } part ? [part] : [],
        IEnumerable<AIContent> contents => contents.SelectMany((content, index) => ToResultParts(content, $"{path}[{index}]", refusals)),
        _ => [new ContentPart { Text = ToJson(result) }],
    };

    private static Image? ToImage(AIContent content, string path, ChatRefusals refusals)
    {
        // Bytes in a URI are bytes.
        if (content is UriContent { Uri.Scheme: "data" } inline) content = new DataContent(inline.Uri) { AdditionalProperties = inline.AdditionalProperties };
        var (image, isImage) = content switch
        {
            DataContent data => (new Image { Data = ByteString.CopyFrom(data.Data.Span), MediaType = data.MediaType }, data.HasTopLevelMediaType(ImageType)),
            UriContent uri => (new Image { Url = uri.Uri.AbsoluteUri, MediaType = uri.MediaType }, uri.HasTopLevelMediaType(ImageType)),
            _ => throw new ArgumentException($"A {content.GetType().Name} holds no image.", nameof(content)),
        };
        if (!isImage)
        {
            refusals.Add(path, $"is of type {image.MediaType}; only images are taken");
            return null;
        }

        image.Detail = DetailOf(content, path, refusals);
        return image;
    }

    private static ImageDetail DetailOf(AIContent content, string path, ChatRefusals refusals)
    {
        switch ((content.AdditionalProperties?.GetValueOrDefault("detail") ?? "auto").ToString())
        {
            case "auto":
                return ImageDetail.Unspecified;
            case "low":
                return ImageDetail.Low;
            case "high":
                return ImageDetail.High;
            default:
                refusals.Add($"{path}.AdditionalProperties[detail]", "must be auto, low or high");
                return default;
        }
    }

    private static string ToJson(object value) =>
        JsonSerializer.Serialize(value, Json.GetTypeInfo(value.GetType()));
}
