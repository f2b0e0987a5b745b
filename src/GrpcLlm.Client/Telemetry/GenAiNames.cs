namespace GrpcLlm.Client.Telemetry;

/// <summary>
/// Every name that the client uses of the semantic conventions for generative AI, all in development and being renamed, and
/// the few of its own.
/// </summary>
internal static class GenAiNames
{
    /// <summary>The version of the conventions that these names are from.</summary>
    public const string SchemaUrl = "https://opentelemetry.io/schemas/1.41.0";

    public const string OperationDuration = "gen_ai.client.operation.duration";
    public const string TimeToFirstChunk = "gen_ai.client.operation.time_to_first_chunk";
    public const string TimePerOutputChunk = "gen_ai.client.operation.time_per_output_chunk";
    public const string TokenUsage = "gen_ai.client.token.usage";

    public const string OperationName = "gen_ai.operation.name";
    public const string ProviderName = "gen_ai.provider.name";
    public const string RequestModel = "gen_ai.request.model";
    public const string RequestStream = "gen_ai.request.stream";
    public const string ResponseModel = "gen_ai.response.model";
    public const string ResponseId = "gen_ai.response.id";
    public const string FinishReasons = "gen_ai.response.finish_reasons";
    public const string ResponseTimeToFirstChunk = "gen_ai.response.time_to_first_chunk";
    public const string InputTokens = "gen_ai.usage.input_tokens";
    public const string CachedInputTokens = "gen_ai.usage.cache_read.input_tokens";
    public const string CacheWriteInputTokens = "gen_ai.usage.cache_creation.input_tokens";
    public const string OutputTokens = "gen_ai.usage.output_tokens";
    public const string ReasoningTokens = "gen_ai.usage.reasoning.output_tokens";
    public const string TokenType = "gen_ai.token.type";
    public const string ErrorType = "error.type";
    public const string ServerAddress = "server.address";
    public const string ServerPort = "server.port";

    /// <summary>Own: name of the generation.</summary>
    public const string RequestId = "grpcllm.request_id";

    /// <summary>Own: calls that the client made for the generation.</summary>
    public const string Attempts = "grpcllm.attempts";

    public const string Chat = "chat";
    public const string Provider = "grpcllm";
    public const string InputType = "input";
    public const string OutputType = "output";

    /// <summary>Value of <see cref="ErrorType"/> for a generation that its caller ended, in whichever way.</summary>
    public const string Cancelled = "CANCELLED";

    /// <summary>Bucket bounds of durations, in seconds: .01 doubling to 81.92.</summary>
    public static readonly double[] Seconds = [.. Enumerable.Range(0, 14).Select(static n => 0.01 * (1 << n))];

    /// <summary>Bucket bounds of token counts: powers of 4 from 1 to 67,108,864.</summary>
    public static readonly long[] Tokens = [.. Enumerable.Range(0, 14).Select(static n => 1L << (2 * n))];
}
