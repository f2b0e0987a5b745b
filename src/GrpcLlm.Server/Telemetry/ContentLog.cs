using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// Writes prompts and answers where the operator has said so, as one event per generation and on the span of the attempt that
/// served. Off by default; loud while it is on. Thread-safe.
/// </summary>
internal sealed partial class ContentLog(ILoggerFactory loggerFactory)
{
    /// <summary>Category of its events, so that they can be routed, or kept away, on their own.</summary>
    public const string Category = "GrpcLlm.Content";

    private readonly ILogger _logger = loggerFactory.CreateLogger(Category);

    /// <summary>Says so if content is written from now on.</summary>
    public void Announce(TelemetryOptions options)
    {
        if (options.LogContent) ContentIsLogged(_logger, options.Redactions.Count, options.MaxContentBytes);
    }

    /// <summary>Writes the content of a generation that ended, where it was gathered.</summary>
    public void Write(GenerationRecord record)
    {
        if (record.Content is not { } content) return;
        var finishReason = record.ErrorReason == ErrorReason.Unspecified ? ErrorTable.NameOf(record.FinishReason) : "error";
        var input = ContentMessages.OfInput(content);
        var output = ContentMessages.OfOutput(content, finishReason);
        record.ServingSpan?.TellContent(input, output);
        Content(_logger, record.RequestId, record.ModelName, input, output);
    }

    [LoggerMessage(EventId = 1, EventName = "gen_ai.client.inference.operation.details", Level = LogLevel.Information,
        Message = "Content of generation {RequestId} of model {Model}: input {InputMessages} output {OutputMessages}")]
    private static partial void Content(
        ILogger logger, string requestId, string model, string inputMessages, string outputMessages);

    [LoggerMessage(EventId = 2, EventName = "ContentIsLogged", Level = LogLevel.Warning,
        Message = "PROMPTS AND ANSWERS ARE LOGGED: GrpcLlm:Telemetry:LogContent is on, with {Redactions} redactions and at most {MaxBytes} bytes of each.")]
    private static partial void ContentIsLogged(ILogger logger, int redactions, int maxBytes);
}
