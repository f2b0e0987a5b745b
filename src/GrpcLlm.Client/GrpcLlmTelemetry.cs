namespace GrpcLlm.Client;

/// <summary>
/// What the client tells OpenTelemetry, after the conventions for generative AI: a client span <c>chat {model}</c> per
/// generation, and the histograms <c>gen_ai.client.operation.duration</c>, <c>.time_to_first_chunk</c>,
/// <c>.time_per_output_chunk</c> (seconds) and <c>gen_ai.client.token.usage</c> (tokens). No prompt and no text is in any of
/// it. Costs nothing while nobody listens. The span's trace context goes to the server with the call.
/// </summary>
public static class GrpcLlmTelemetry
{
    /// <summary>Name of the source of spans, for <c>AddSource</c>.</summary>
    public const string ActivitySourceName = "GrpcLlm.Client";

    /// <summary>Name of the meter, for <c>AddMeter</c>.</summary>
    public const string MeterName = "GrpcLlm.Client";
}
