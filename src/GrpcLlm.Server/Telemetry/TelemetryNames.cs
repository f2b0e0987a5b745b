namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// Every name of the server's own metrics: instruments, attributes, their fixed values, bucket bounds. Those of generative
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
    public const string Running = "grpcllm.admission.running";

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
