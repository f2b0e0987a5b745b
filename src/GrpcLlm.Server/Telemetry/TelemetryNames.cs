namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// Every name of the server's metrics: instruments, attributes, their fixed values, bucket bounds. Those of generative
/// AI follow the OpenTelemetry semantic conventions as of <see cref="SchemaUrl"/>, which are in development and being
/// renamed; a rename is a change to this file alone. README lists them.
/// </summary>
internal static class TelemetryNames
{
    /// <summary>The version of the conventions that the names are from.</summary>
    public const string SchemaUrl = "https://opentelemetry.io/schemas/1.41.0";

    /// <summary>Name of the meter.</summary>
    public const string Meter = "GrpcLlm.Server";

    /// <summary>Name of the service, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES name it.</summary>
    public const string Service = "grpcllm";

    // Instruments of the conventions: this server towards its clients, and as a client of its upstreams.
    public const string RequestDuration = "gen_ai.server.request.duration";
    public const string TimeToFirstToken = "gen_ai.server.time_to_first_token";
    public const string TimePerOutputToken = "gen_ai.server.time_per_output_token";
    public const string OperationDuration = "gen_ai.client.operation.duration";
    public const string TimeToFirstChunk = "gen_ai.client.operation.time_to_first_chunk";
    public const string TimePerOutputChunk = "gen_ai.client.operation.time_per_output_chunk";
    public const string TokenUsage = "gen_ai.client.token.usage";

    // Instruments of our own.
    public const string StreamsActive = "grpcllm.streams.active";
    public const string StreamsFinished = "grpcllm.streams.finished";
    public const string StreamsRejected = "grpcllm.streams.rejected";
    public const string ClientStall = "grpcllm.stream.client_stall";
    public const string Overhead = "grpcllm.overhead";
    public const string Tokens = "grpcllm.tokens";
    public const string UpstreamAttempts = "grpcllm.upstream.attempts";
    public const string UpstreamCancelLatency = "grpcllm.upstream.cancel_latency";
    public const string BreakerState = "grpcllm.upstream.breaker.state";
    public const string KeyState = "grpcllm.upstream.key.state";
    public const string QueueLength = "grpcllm.admission.queue.length";
    public const string QueueLimit = "grpcllm.admission.queue.limit";
    public const string Running = "grpcllm.admission.running";
    public const string Cost = "grpcllm.cost";

    // Attributes of the conventions.
    public const string OperationName = "gen_ai.operation.name";
    public const string ProviderName = "gen_ai.provider.name";
    public const string RequestModel = "gen_ai.request.model";
    public const string ResponseModel = "gen_ai.response.model";
    public const string TokenType = "gen_ai.token.type";
    public const string ErrorType = "error.type";
    public const string ServerAddress = "server.address";
    public const string ServerPort = "server.port";

    // Attributes of our own.
    public const string State = "state";
    public const string Reason = "reason";
    public const string FaultOf = "fault";
    public const string Outcome = "outcome";
    public const string Backend = "backend";
    public const string Key = "key";
    public const string Tenant = "tenant";
    public const string Source = "source";
    public const string Currency = "currency";
    public const string Hedged = "hedged";

    // Fixed values.
    public const string Chat = "chat";
    public const string Provider = "grpcllm";
    public const string Input = "input";
    public const string Output = "output";

    /// <summary>Stands for a model that is not routed, and for names beyond <see cref="BoundedNames"/>.</summary>
    public const string Other = "_other";

    /// <summary><see cref="ErrorType"/> of an attempt that was given up: a hedge that lost, or a client that left.</summary>
    public const string Cancelled = "CANCELLED";

    /// <summary>Bounds of whole operations, in seconds: .01 doubling to 81.92.</summary>
    public static readonly double[] DurationBounds = [.. Enumerable.Range(0, 14).Select(static n => 0.01 * (1 << n))];

    /// <summary>Bounds of the time to the first token, in seconds.</summary>
    public static readonly double[] FirstTokenBounds =
        [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

    /// <summary>Bounds of the time per token, in seconds; those below .01 are ours, for models that are faster.</summary>
    public static readonly double[] OutputTokenBounds =
        [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];

    /// <summary>Bounds of token counts: powers of 4 from 1 to 67,108,864.</summary>
    public static readonly long[] TokenBounds = [.. Enumerable.Range(0, 14).Select(static n => 1L << (2 * n))];

    /// <summary>Bounds of what this service adds, and of a cancel on its way to the upstream, in seconds.</summary>
    public static readonly double[] OwnTimeBounds =
        [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

    /// <summary>Bounds of the time in which a client does not read, in seconds.</summary>
    public static readonly double[] StallBounds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120];
}

/// <summary>
/// Names that the server's spans have beside those of <see cref="TelemetryNames"/>, and the content log with them.
/// <c>gen_ai.*</c> and <c>rpc.*</c> are those of the semantic conventions; <c>grpcllm.*</c> are the service's own.
/// </summary>
internal static class SpanNames
{
    /// <summary>Name of the source of the attempts' spans. The server's spans are the host's: <see cref="HostSourceName"/>.</summary>
    public const string SourceName = TelemetryNames.Meter;

    /// <summary>Source of the span of each request, which ASP.NET Core makes and <see cref="ServerSpan"/> completes.</summary>
    public const string HostSourceName = "Microsoft.AspNetCore";

    /// <summary>Source of the span of each request to an upstream, below that of its attempt.</summary>
    public const string HttpSourceName = "System.Net.Http";

    public const string RpcSystem = "rpc.system.name";

    /// <summary>Full name: <c>grpcllm.v1.GenerationService/Generate</c>; the conventions have no <c>rpc.service</c> any more.</summary>
    public const string RpcMethod = "rpc.method";

    public const string RpcStatusCode = "rpc.response.status_code";

    public const string OutputType = "gen_ai.output.type";
    public const string RequestStream = "gen_ai.request.stream";
    public const string RequestMaxTokens = "gen_ai.request.max_tokens";
    public const string RequestTemperature = "gen_ai.request.temperature";
    public const string RequestTopP = "gen_ai.request.top_p";
    public const string RequestTopK = "gen_ai.request.top_k";
    public const string RequestSeed = "gen_ai.request.seed";
    public const string RequestFrequencyPenalty = "gen_ai.request.frequency_penalty";
    public const string RequestPresencePenalty = "gen_ai.request.presence_penalty";
    public const string ResponseId = "gen_ai.response.id";
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
