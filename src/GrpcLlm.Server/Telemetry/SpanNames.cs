namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// Every name that the server's spans use, and the content log with them. <c>gen_ai.*</c> and <c>rpc.*</c> are those of the
/// semantic conventions 1.41.0, in development and being renamed; <c>grpcllm.*</c> are the service's own.
/// </summary>
internal static class SpanNames
{
    /// <summary>Name of the source of the attempts' spans. The server's spans are the host's: <see cref="HostSourceName"/>.</summary>
    public const string SourceName = "GrpcLlm.Server";

    /// <summary>Source of the span of each request, which ASP.NET Core makes and <see cref="ServerSpan"/> completes.</summary>
    public const string HostSourceName = "Microsoft.AspNetCore";

    /// <summary>The version of the conventions that these names are from.</summary>
    public const string SchemaUrl = "https://opentelemetry.io/schemas/1.41.0";

    /// <summary>Operation of every generation, and the first word of an attempt's span.</summary>
    public const string Chat = "chat";

    public const string RpcSystem = "rpc.system.name";

    /// <summary>Full name: <c>grpcllm.v1.GenerationService/Generate</c>; the conventions have no <c>rpc.service</c> any more.</summary>
    public const string RpcMethod = "rpc.method";

    public const string RpcStatusCode = "rpc.response.status_code";
    public const string ErrorType = "error.type";
    public const string ServerAddress = "server.address";
    public const string ServerPort = "server.port";

    public const string OperationName = "gen_ai.operation.name";
    public const string ProviderName = "gen_ai.provider.name";
    public const string OutputType = "gen_ai.output.type";
    public const string RequestModel = "gen_ai.request.model";
    public const string RequestStream = "gen_ai.request.stream";
    public const string RequestMaxTokens = "gen_ai.request.max_tokens";
    public const string RequestTemperature = "gen_ai.request.temperature";
    public const string RequestTopP = "gen_ai.request.top_p";
    public const string RequestTopK = "gen_ai.request.top_k";
    public const string RequestSeed = "gen_ai.request.seed";
    public const string RequestFrequencyPenalty = "gen_ai.request.frequency_penalty";
    public const string RequestPresencePenalty = "gen_ai.request.presence_penalty";
    public const string ResponseId = "gen_ai.response.id";
    public const string ResponseModel = "gen_ai.response.model";
    public const string FinishReasons = "gen_ai.response.finish_reasons";

    /// <summary>Seconds from the start of the attempt to its first token.</summary>
    public const string TimeToFirstChunk = "gen_ai.response.time_to_first_chunk";

    public const string InputTokens = "gen_ai.usage.input_tokens";
    public const string CachedInputTokens = "gen_ai.usage.cache_read.input_tokens";
    public const string CacheWriteInputTokens = "gen_ai.usage.cache_creation.input_tokens";
    public const string OutputTokens = "gen_ai.usage.output_tokens";
    public const string ReasoningTokens = "gen_ai.usage.reasoning.output_tokens";

    /// <summary>JSON after the conventions' schema of messages; only where content is logged.</summary>
    public const string InputMessages = "gen_ai.input.messages";

    /// <inheritdoc cref="InputMessages"/>
    public const string OutputMessages = "gen_ai.output.messages";

    /// <summary>Own: name of the generation.</summary>
    public const string RequestId = "grpcllm.request_id";

    /// <summary>Own: who called.</summary>
    public const string Tenant = "grpcllm.tenant";

    /// <summary>Own: configured name of the backend.</summary>
    public const string Backend = "grpcllm.backend";

    /// <summary>Own: attempts made for the call.</summary>
    public const string Attempts = "grpcllm.attempts";

    /// <summary>Own: whose fault a failure was: client, service or upstream.</summary>
    public const string Fault = "grpcllm.fault";

    /// <summary>Own: where token counts come from: reported, counted or estimated.</summary>
    public const string UsageSource = "grpcllm.usage.source";

    /// <summary>Own: the same of the input, where it is more certain.</summary>
    public const string InputUsageSource = "grpcllm.usage.input_source";

    /// <summary>Own: price of a call or an attempt, in whole units of its currency.</summary>
    public const string Cost = "grpcllm.cost";

    /// <summary>Own: ISO 4217 code of the price.</summary>
    public const string CostCurrency = "grpcllm.cost.currency";

    /// <summary>Own: number of an attempt within its call, from 1.</summary>
    public const string AttemptNumber = "grpcllm.attempt.number";

    /// <summary>Own: served, failed or cancelled.</summary>
    public const string AttemptOutcome = "grpcllm.attempt.outcome";

    /// <summary>Own: whether it started beside a slow one; its span then links to the slow one's.</summary>
    public const string AttemptHedged = "grpcllm.attempt.hedged";

    /// <summary>Own: label of the upstream key, never the key.</summary>
    public const string KeyLabel = "grpcllm.attempt.key_label";

    /// <summary>Own: in front of the key of a label of the request.</summary>
    public const string LabelPrefix = "grpcllm.label.";
}
