using System.Net;
using Microsoft.AspNetCore.Http.Features;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// The address of this server that a call came to, as metrics tell it: mostly the same, so calls share the last one.
/// Immutable and thread-safe.
/// </summary>
internal sealed class LocalAddress
{
    private static LocalAddress? _last;

    private readonly IPAddress? _address;
    private readonly int _port;

    private LocalAddress(IPAddress? address, int port)
    {
        _address = address;
        _port = port;
        Text = address?.ToString();
        Port = port;
    }

    /// <summary>The address; null where it has none, as on a Unix socket.</summary>
    public string? Text { get; }

    /// <summary>The port, a boxed <see cref="int"/>.</summary>
    public object Port { get; }

    /// <summary>The address of a call.</summary>
    // By the feature: the context's own view of its connection would last as long as the call.
    public static LocalAddress Of(HttpContext context)
    {
        var connection = context.Features.Get<IHttpConnectionFeature>();
        var (address, port) = (connection?.LocalIpAddress, connection?.LocalPort ?? 0);
        if (_last is { } last && last._port == port && Equals(last._address, address)) return last;
        return _last = new LocalAddress(address, port);
    }
}
