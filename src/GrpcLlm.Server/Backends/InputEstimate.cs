using System.Text;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends;

/// <summary>
/// Estimates input tokens where nobody counts them: four bytes of UTF-8 a token, four tokens a message, and 765 for an
/// image (the cost of one of 1024 by 1024 at high detail in OpenAI's published rule). Always marked ESTIMATED.
/// </summary>
internal static class InputEstimate
{
    private const int BytesPerToken = 4;
    private const int TokensPerMessage = 4;
    private const int TokensPerImage = 765;

    /// <summary>The estimate for a request.</summary>
    public static InputTokenCount Of(GenerateRequest request)
    {
        long bytes = 0;
        long tokens = 0;
        if (request.InputCase == GenerateRequest.InputOneofCase.Prompt) Add(request.Prompt);
        foreach (var message in request.Conversation?.Messages ?? [])
        {
            tokens += TokensPerMessage;
            foreach (var part in message.Parts) AddPart(part);
        }

        foreach (var tool in request.Tools)
        {
            Add(tool.Name);
            Add(tool.Description);
            Add(tool.ParametersJsonSchema);
        }

        Add(request.Output?.ResponseFormat?.JsonSchema?.JsonSchema ?? "");
        return new InputTokenCount(
            (uint)Math.Min(uint.MaxValue, tokens + ((bytes + BytesPerToken - 1) / BytesPerToken)), UsageSource.Estimated);

        void Add(string text) => bytes += Encoding.UTF8.GetByteCount(text);

        void AddPart(ContentPart part)
        {
            switch (part.ContentCase)
            {
                case ContentPart.ContentOneofCase.Image:
                    tokens += TokensPerImage;
                    break;
                case ContentPart.ContentOneofCase.ToolCall:
                    Add(part.ToolCall.Name);
                    Add(part.ToolCall.ArgumentsJson);
                    break;
                case ContentPart.ContentOneofCase.ToolResult:
                    foreach (var inner in part.ToolResult.Parts) AddPart(inner);
                    break;
                default:
                    Add(part.Text);
                    Add(part.Reasoning);
                    Add(part.Refusal);
                    break;
            }
        }
    }
}
