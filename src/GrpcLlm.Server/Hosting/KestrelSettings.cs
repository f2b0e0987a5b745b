using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace GrpcLlm.Server.Hosting;

/// <summary>What a server of long streams needs otherwise than Kestrel's defaults; settings still override it.</summary>
internal static class KestrelSettings
{
    /// <summary>
    /// Streams of one connection. One channel per calling service is the norm; the default of 100 would make the
    /// hundred-and-first generation wait inside the client.
    /// </summary>
    public const int MaxStreamsPerConnection = 4096;

    public static void Apply(KestrelServerOptions kestrel)
    {
        var limits = kestrel.Limits;
        limits.Http2.MaxStreamsPerConnection = MaxStreamsPerConnection;

        // Off by default: a client that vanished without a word would hold its streams until the next write.
        limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
        limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(20);

        // Enforced per write, and it aborts the whole connection with all its streams; a client that does not read is
        // handled per stream instead (Streaming:ClientStallTimeout).
        limits.MinResponseDataRate = null;
        kestrel.AddServerHeader = false;
    }
}
