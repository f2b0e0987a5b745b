using System.Text.Json;
using GrpcLlm.V1;
using Microsoft.Extensions.AI;

namespace GrpcLlm.Client.Chat;

/// <summary>Tools and their use. Stateless and thread-safe.</summary>
internal static class ChatTools
{
    /// <summary>
    /// Additional property of a tool, or of the options for a schema of the answer: whether the schema must be kept to
    /// exactly. The name that other clients of the abstractions have for it.
    /// </summary>
    public const string StrictKey = "strictJsonSchema";

    /// <summary>Adds tools and tool choice to a request.</summary>
    public static void Add(ChatOptions options, GenerateRequest request, ChatRefusals refusals)
    {
        foreach (var (index, tool) in (options.Tools ?? []).Index())
        {
            if (tool is AIFunctionDeclaration function) request.Tools.Add(ToolOf(function));
            else refusals.Add($"options.Tools[{index}]", $"is a {tool.GetType().Name}; only functions that the caller runs are served");
        }

        if (options.ToolMode is { } mode)
        {
            request.ToolChoice ??= new ToolChoice();
            Choose(mode, request.ToolChoice, refusals);
        }

        // Without tools there is nothing that it could limit.
        if (options.AllowMultipleToolCalls is { } several && request.Tools.Count > 0)
        {
            request.ToolChoice ??= new ToolChoice();
            request.ToolChoice.ParallelToolCalls = several;
        }
    }

    /// <summary>The value of <see cref="StrictKey"/>; null if it is not there.</summary>
    public static bool? StrictOf(IReadOnlyDictionary<string, object?>? properties) =>
        properties is not null && properties.TryGetValue(StrictKey, out var value)
            ? value switch
            {
                bool strict => strict,
                JsonElement { ValueKind: JsonValueKind.True } => true,
                JsonElement { ValueKind: JsonValueKind.False } => false,
                _ => null,
            }
            : null;

    private static Tool ToolOf(AIFunctionDeclaration function)
    {
        var tool = new Tool
        {
            Name = function.Name,
            Description = function.Description,
            ParametersJsonSchema = function.JsonSchema.ValueKind == JsonValueKind.Object ? function.JsonSchema.GetRawText() : "",
        };
        if (StrictOf(function.AdditionalProperties) is { } strict) tool.Strict = strict;
        return tool;
    }

    private static void Choose(ChatToolMode mode, ToolChoice choice, ChatRefusals refusals)
    {
        choice.ToolNames.Clear();
        switch (mode)
        {
            case AutoChatToolMode:
                choice.Mode = ToolChoiceMode.Auto;
                break;
            case NoneChatToolMode:
                choice.Mode = ToolChoiceMode.None;
                break;
            case RequiredChatToolMode required:
                choice.Mode = ToolChoiceMode.Required;
                if (required.RequiredFunctionName is { } name) choice.ToolNames.Add(name);
                break;
            default:
                refusals.Add("options.ToolMode", $"is a {mode.GetType().Name}, which the service has no place for");
                break;
        }
    }
}
