namespace GrpcLlm.Server.Telemetry;

/// <summary>State of a running generation, as <c>grpcllm.streams.active</c> tells it.</summary>
internal enum StreamState
{
    /// <summary>Waits for admission or for a slot of its backend.</summary>
    Queued,

    /// <summary>Waits for the first token.</summary>
    WaitingForFirstToken,

    /// <summary>Streams.</summary>
    Streaming,

    /// <summary>Has output that the client does not take.</summary>
    Stalled,
}

/// <summary>Whose fault an end was; an upstream failure never looks like a client's disconnect.</summary>
internal enum Fault
{
    None,
    Client,
    Service,
    Upstream,
}
