using GrpcLlm.V1;

namespace GrpcLlm.Server.Requests;

/// <summary>Rules of <see cref="OutputOptions"/>. Stateless.</summary>
internal static class OutputRules
{
    public static void Check(OutputOptions? output, Violations violations)
    {
        if (output is null) return;
        if (output.TopLogprobs > 20) violations.AddOutOfRange("output.top_logprobs", "0 to 20", output.TopLogprobs);
        if (output.Coalescing?.MaxDelay is { } delay
            && !(LimitRules.TryToTimeSpan(delay, out var span) && span >= TimeSpan.Zero && span <= TimeSpan.FromSeconds(1)))
            violations.Add("output.coalescing.max_delay", "must be a valid duration of 0 to 1 s");
        if (output.ResponseFormat is { FormatCase: ResponseFormat.FormatOneofCase.JsonSchema } format)
            CheckSchema(format.JsonSchema, violations);
    }

    private static void CheckSchema(JsonSchemaFormat schema, Violations violations)
    {
        const string field = "output.response_format.json_schema";
        if (schema.JsonSchema.Length == 0) violations.Add($"{field}.json_schema", "is required");
        else JsonRules.CheckObject(schema.JsonSchema, $"{field}.json_schema", violations);
        if (schema.Name.Length > 0 && !ToolRules.IsName(schema.Name))
            violations.Add($"{field}.name", "must be 1 to 64 characters of [A-Za-z0-9_-]");
    }
}
