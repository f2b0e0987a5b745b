using GrpcLlm.Server.Admission;
using Microsoft.AspNetCore.Http.Features;

namespace GrpcLlm.Server.Streaming;

/// <summary>
/// Ends one HTTP/2 stream and leaves the others of its connection alone (RFC 9113, RST_STREAM). Thread-safe. Disposed
/// before the call returns, since the server uses a stream's object again for another call.
/// </summary>
internal sealed class StreamReset(HttpContext context, CallLifetime lifetime) : IDisposable
{
    /// <summary>RFC 9113, section 7: the stream is no longer needed.</summary>
    private const int Http2Cancel = 0x8;

    private readonly IHttpResetFeature? _stream = context.Features.Get<IHttpResetFeature>();
    private readonly Lock _gate = new();
    private bool _over;

    /// <summary>Whether the client left output lying for too long.</summary>
    public bool ClientStalled { get; private set; }

    /// <summary>The client left output lying for too long.</summary>
    public void ForStalledClient()
    {
        lock (_gate)
        {
            if (_over) return;
            ClientStalled = true;
            if (_stream is not null) _stream.Reset(Http2Cancel);
            else context.Abort();
        }

        lifetime.Stop(StopCause.ClientStalled);
    }

    public void Dispose()
    {
        lock (_gate) _over = true;
    }
}
