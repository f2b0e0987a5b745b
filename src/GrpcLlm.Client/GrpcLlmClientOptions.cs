namespace GrpcLlm.Client;

/// <summary>
/// How a <see cref="GrpcLlmClient"/> connects. Read once, when the client is made; later changes have no effect.
/// </summary>
public sealed class GrpcLlmClientOptions
{
    /// <summary>Time to wait for a connection before a call fails.</summary>
    /// <value>10 seconds by default.</value>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Silence on a connection after which it is pinged. A model may think for minutes without a byte on the wire:
    /// only pings tell a silent server from a dead connection.
    /// </summary>
    /// <value>30 seconds by default; <see cref="Timeout.InfiniteTimeSpan"/> turns pings off.</value>
    public TimeSpan KeepAlivePingDelay { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Time to wait for the answer to a ping before the connection counts as dead.</summary>
    /// <value>20 seconds by default.</value>
    public TimeSpan KeepAlivePingTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>Largest message accepted, in bytes. No token chunk exceeds 1 MiB.</summary>
    /// <value>4 MiB by default.</value>
    public int MaxReceiveMessageSize { get; set; } = 4 * 1024 * 1024;

    /// <summary>
    /// Time for a call other than <see cref="GrpcLlmClient.GenerateAsync"/>, which has its own in
    /// <see cref="GenerateCallOptions.Timeout"/>. For <see cref="GrpcLlmClient.ListModelsAsync"/> it holds per page.
    /// </summary>
    /// <value>30 seconds by default.</value>
    public TimeSpan UnaryTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Changes the HTTP handler before its first use: certificates, proxy, window sizes.</summary>
    public Action<SocketsHttpHandler>? ConfigureHandler { get; set; }

    /// <summary>Clock from which deadlines are counted.</summary>
    /// <value>The system's by default.</value>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;
}
