using System.Text.RegularExpressions;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Requests;

/// <summary>Rules of <see cref="Tool"/> and <see cref="ToolChoice"/>. Stateless.</summary>
internal static partial class ToolRules
{
    /// <summary>Most tools of a request.</summary>
    public const int MaxTools = 128;

    public static void Check(IReadOnlyList<Tool> tools, ToolChoice? choice, Violations violations)
    {
        if (tools.Count > MaxTools) violations.Add("tools", $"must be at most {MaxTools}, are {tools.Count}");
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var index = 0; index < tools.Count; index++)
        {
            var tool = tools[index];
            if (!IsName(tool.Name))
                violations.Add($"tools[{index}].name", "must be 1 to 64 characters of [A-Za-z0-9_-]");
            if (!names.Add(tool.Name)) violations.Add($"tools[{index}].name", "must be unique");
            if (tool.ParametersJsonSchema.Length > 0)
                JsonRules.CheckObject(tool.ParametersJsonSchema, $"tools[{index}].parameters_json_schema", violations);
        }

        if (choice is not null) CheckChoice(choice, names, violations);
    }

    /// <summary>Whether a text may name a tool.</summary>
    public static bool IsName(string text) => NamePattern().IsMatch(text);

    private static void CheckChoice(ToolChoice choice, HashSet<string> names, Violations violations)
    {
        if (!Names<ToolChoiceMode>.IsKnown(choice.Mode)) violations.AddUnknown("tool_choice.mode", (int)choice.Mode);
        if (choice.Mode == ToolChoiceMode.Required && names.Count == 0)
            violations.Add("tool_choice.mode", "TOOL_CHOICE_MODE_REQUIRED needs tools");
        for (var index = 0; index < choice.ToolNames.Count; index++)
        {
            if (!names.Contains(choice.ToolNames[index]))
                violations.Add($"tool_choice.tool_names[{index}]", "must be the name of one of tools");
        }
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_-]{1,64}\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex NamePattern();
}
