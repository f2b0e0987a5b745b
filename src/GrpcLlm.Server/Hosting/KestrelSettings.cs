using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// What a server of long streams needs otherwise than Kestrel's defaults. <c>Kestrel:Limits</c> of the configuration
/// overrides it.
/// </summary>
internal static class KestrelSettings
{
    /// <summary>
    /// Streams of one connection. One channel per calling service is the norm; the default of 100 would make the
    /// hundred-and-first generation wait inside the client.
    /// </summary>
    public const int MaxStreamsPerConnection = 4096;

    /// <summary>
    /// Bytes of all metadata of one call, names and values. Announced to clients (SETTINGS_MAX_HEADER_LIST_SIZE), and
    /// good ones keep it by themselves. Above it a call gets status 431; above twice as much, the connection is closed.
    /// Room for a token, a baggage of 8 KiB and tracing.
    /// </summary>
    public const int MaxMetadataBytes = 32 * 1024;

    /// <summary>Entries of the metadata of one call; beyond, as above.</summary>
    public const int MaxMetadataEntries = 100;

    /// <summary>Bytes of one name or value. A longer one cannot be decoded, so the connection is closed.</summary>
    public const int MaxMetadataFieldBytes = 32 * 1024;

    public static void Apply(KestrelServerOptions kestrel)
    {
        var limits = kestrel.Limits;
        limits.Http2.MaxStreamsPerConnection = MaxStreamsPerConnection;

        limits.MaxRequestHeadersTotalSize = MaxMetadataBytes;
        limits.MaxRequestHeaderCount = MaxMetadataEntries;
        limits.Http2.MaxRequestHeaderFieldSize = MaxMetadataFieldBytes;

        // Off by default: a client that vanished without a word would hold its streams until the next write.
        limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
        limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(20);

        // Enforced per write, and it aborts the whole connection with all its streams; a client that does not read is
        // handled per stream instead (Streaming:ClientStallTimeout).
        limits.MinResponseDataRate = null;
        kestrel.AddServerHeader = false;
    }
}
