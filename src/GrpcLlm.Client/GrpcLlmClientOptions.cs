using System.Diagnostics.Metrics;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace GrpcLlm.Client;

/// <summary>
/// How a <see cref="GrpcLlmClient"/> connects and calls. Read once, when the client is made; later changes have no effect.
/// </summary>
public sealed class GrpcLlmClientOptions
{
    /// <summary>
    /// Address of the service: <c>http://host:port</c> (HTTP/2 without TLS) or <c>https://…</c>. Required, except on a
    /// channel of the caller's; there it only names the server in telemetry.
    /// </summary>
    public Uri? Address { get; set; }

    /// <summary>Model of requests that name none.</summary>
    /// <value>Empty, the deployment's default model, by default.</value>
    public string DefaultModel { get; set; } = "";

    /// <summary>
    /// Time for a generation whose <see cref="GenerateCallOptions.Timeout"/> is not set, all attempts included. Sent as the
    /// gRPC deadline.
    /// </summary>
    /// <value>Above 0; null, no deadline, by default.</value>
    public TimeSpan? GenerateTimeout { get; set; }

    /// <summary>
    /// Time for a call other than a generation. For <see cref="GrpcLlmClient.ListModelsAsync"/> it holds per page.
    /// </summary>
    /// <value>Above 0; 30 seconds by default; <see cref="Timeout.InfiniteTimeSpan"/>: no deadline.</value>
    public TimeSpan UnaryTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>What is done about a generation that fails before its first token.</summary>
    public GrpcLlmRetryOptions Retry { get; } = new();

    /// <summary>
    /// Key of the caller, sent with every call as <c>authorization: Bearer …</c>. Visible ASCII characters. At most one of
    /// this and <see cref="TokenProvider"/>.
    /// </summary>
    /// <value>Null, none, by default.</value>
    public string? ApiKey { get; set; }

    /// <summary>
    /// Gives the token to send as <c>authorization: Bearer …</c>, for tokens that change; asked before every attempt, so it
    /// should keep what it has until it expires. Called from many calls at once.
    /// </summary>
    /// <value>Null, none, by default.</value>
    public Func<CancellationToken, ValueTask<string>>? TokenProvider { get; set; }

    /// <summary>
    /// Whether <see cref="ApiKey"/> or <see cref="TokenProvider"/> may be used over <c>http</c> to another machine, where
    /// anybody on the way can read them. To this machine (loopback) they always may.
    /// </summary>
    /// <value>False by default: such options are refused.</value>
    public bool AllowInsecureCredentials { get; set; }

    /// <summary>
    /// Headers of every call, such as a gateway's. A header of the call's own, its credentials included, takes the place of
    /// one of the same name. Must not change while calls run.
    /// </summary>
    /// <value>Null, none, by default.</value>
    public Metadata? Headers { get; set; }

    /// <summary>Time to wait for a connection before a call fails.</summary>
    /// <value>Above 0; 10 seconds by default.</value>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Silence on a connection after which it is pinged. A model may think for minutes without a byte on the wire:
    /// only pings tell a silent server from a dead connection.
    /// </summary>
    /// <value>At least 1 second; 30 seconds by default; <see cref="Timeout.InfiniteTimeSpan"/> turns pings off.</value>
    public TimeSpan KeepAlivePingDelay { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Time to wait for the answer to a ping before the connection counts as dead.</summary>
    /// <value>At least 1 second; 20 seconds by default.</value>
    public TimeSpan KeepAlivePingTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>
    /// Whether a further connection is opened when the server's limit of streams on one is reached. Without it further
    /// calls wait until a stream ends.
    /// </summary>
    /// <value>True by default.</value>
    public bool EnableMultipleHttp2Connections { get; set; } = true;

    /// <summary>Largest message accepted, in bytes. No token chunk exceeds 1 MiB.</summary>
    /// <value>At least 1; 4 MiB by default.</value>
    public int MaxReceiveMessageSize { get; set; } = 4 * 1024 * 1024;

    /// <summary>
    /// Changes the HTTP handler before its first use: a client certificate, trust, proxy, window sizes. Not called on a
    /// channel of the caller's.
    /// </summary>
    public Action<SocketsHttpHandler>? ConfigureHandler { get; set; }

    /// <summary>Clock of deadlines, waits and telemetry.</summary>
    /// <value>The system's by default; with dependency injection the registered one.</value>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <summary>Makes the meter of <see cref="GrpcLlmTelemetry"/>.</summary>
    /// <value>Null, one meter for the process, by default; with dependency injection the registered one.</value>
    public IMeterFactory? MeterFactory { get; set; }

    /// <summary>Where the channel logs.</summary>
    /// <value>Null, nowhere, by default; with dependency injection the registered one.</value>
    public ILoggerFactory? LoggerFactory { get; set; }

    /// <summary>The same options for another address.</summary>
    internal GrpcLlmClientOptions At(Uri address)
    {
        var copy = (GrpcLlmClientOptions)MemberwiseClone();
        copy.Address = address;
        return copy;
    }
}
