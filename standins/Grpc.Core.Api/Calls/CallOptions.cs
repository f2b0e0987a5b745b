namespace Grpc.Core;

/// <summary>How one call is made. Immutable and thread-safe, apart from the headers it refers to.</summary>
/// <param name="headers">The request headers, or null for none.</param>
/// <param name="deadline">When the call must be done, in UTC, or null for no limit.</param>
/// <param name="cancellationToken">Cancels the call.</param>
/// <param name="writeOptions">How requests are written, or null for the default.</param>
/// <param name="propagationToken">The server call on whose behalf this one is made, or null for none.</param>
/// <param name="credentials">Credentials for this call beside the channel's, or null for none.</param>
public readonly struct CallOptions(
    Metadata? headers = null,
    DateTime? deadline = null,
    CancellationToken cancellationToken = default,
    WriteOptions? writeOptions = null,
    ContextPropagationToken? propagationToken = null,
    CallCredentials? credentials = null)
{
    /// <summary>The request headers, or null for none.</summary>
    public Metadata? Headers { get; private init; } = headers;

    /// <summary>When the call must be done, in UTC, or null for no limit.</summary>
    public DateTime? Deadline { get; private init; } = deadline;

    /// <summary>Cancels the call.</summary>
    public CancellationToken CancellationToken { get; private init; } = cancellationToken;

    /// <summary>How requests are written, or null for the default.</summary>
    public WriteOptions? WriteOptions { get; private init; } = writeOptions;

    /// <summary>The server call on whose behalf this one is made, or null for none.</summary>
    public ContextPropagationToken? PropagationToken { get; private init; } = propagationToken;

    /// <summary>Credentials for this call beside the channel's, or null for none.</summary>
    public CallCredentials? Credentials { get; private init; } = credentials;

    /// <summary>Whether the call waits while the channel cannot connect, instead of failing at once.</summary>
    /// <value>False by default.</value>
    public bool IsWaitForReady { get; private init; }

    /// <summary>These options with other headers.</summary>
    /// <param name="headers">The headers.</param>
    /// <returns>New options.</returns>
    public CallOptions WithHeaders(Metadata headers) => this with { Headers = headers };

    /// <summary>These options with another deadline.</summary>
    /// <param name="deadline">The deadline, in UTC.</param>
    /// <returns>New options.</returns>
    public CallOptions WithDeadline(DateTime deadline) => this with { Deadline = deadline };

    /// <summary>These options with another cancellation token.</summary>
    /// <param name="cancellationToken">The token.</param>
    /// <returns>New options.</returns>
    public CallOptions WithCancellationToken(CancellationToken cancellationToken) =>
        this with { CancellationToken = cancellationToken };

    /// <summary>These options with other write options.</summary>
    /// <param name="writeOptions">The write options.</param>
    /// <returns>New options.</returns>
    public CallOptions WithWriteOptions(WriteOptions writeOptions) => this with { WriteOptions = writeOptions };

    /// <summary>These options on behalf of another server call.</summary>
    /// <param name="propagationToken">The token of that call.</param>
    /// <returns>New options.</returns>
    public CallOptions WithPropagationToken(ContextPropagationToken propagationToken) =>
        this with { PropagationToken = propagationToken };

    /// <summary>These options with other credentials.</summary>
    /// <param name="credentials">The credentials.</param>
    /// <returns>New options.</returns>
    public CallOptions WithCredentials(CallCredentials credentials) => this with { Credentials = credentials };

    /// <summary>These options with or without waiting for a connection.</summary>
    /// <param name="waitForReady">Whether to wait.</param>
    /// <returns>New options.</returns>
    public CallOptions WithWaitForReady(bool waitForReady = true) => this with { IsWaitForReady = waitForReady };
}
