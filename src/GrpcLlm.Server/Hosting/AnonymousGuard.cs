using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// Keeps strangers out by default: with no tenants configured, gRPC is served on this machine only, unless the operator
/// says otherwise. Checks every endpoint before it is bound, at the start and when Kestrel reloads its own section, and
/// settings that are about to be served against the endpoints that are bound. Thread-safe.
/// </summary>
internal sealed class AnonymousGuard(Deployments deployments)
{
    private readonly Lock _gate = new();
    private readonly List<ListenOptions> _unchecked = [];

    // Ports that were bound, 0 for those that the system chose, with what they speak.
    private readonly HashSet<(int Port, HttpProtocols Protocols)> _ports = [];

    /// <summary>Watches over all endpoints of a server, wherever they are configured.</summary>
    public void Watch(KestrelServerOptions kestrel) => kestrel.ConfigureEndpointDefaults(endpoint =>
    {
        // The defaults are applied before an endpoint's own protocols are known. Its pipeline is built after that, and
        // before it is bound: so the first pipeline checks all endpoints that are known by then.
        lock (_gate) _unchecked.Add(endpoint);
        endpoint.Use(next =>
        {
            CheckEndpoints(endpoint);
            return next;
        });
    });

    /// <summary>Checks settings before they are served.</summary>
    /// <param name="next">The settings.</param>
    /// <param name="addresses">What is bound, as the server tells it.</param>
    /// <exception cref="OptionsValidationException">They would serve strangers.</exception>
    public void Check(GrpcLlmOptions next, IEnumerable<string> addresses)
    {
        if (!ServesAnybody(next)) return;
        lock (_gate)
        {
            var remote = addresses.FirstOrDefault(IsRemoteWithHttp2);
            if (remote is not null) throw Refused(remote);
        }
    }

    private void CheckEndpoints(ListenOptions bound)
    {
        var servesAnybody = ServesAnybody(deployments.Current.Options);
        lock (_gate)
        {
            // The one that is bound, however often: refused on any IPv6 address, Kestrel tries any IPv4 address.
            ListenOptions[] endpoints = [bound, .. _unchecked];
            _unchecked.Clear();
            foreach (var endpoint in endpoints)
            {
                if (servesAnybody && IsRemote(endpoint.EndPoint) && HasHttp2(endpoint.Protocols)) throw Refused(endpoint.ToString()!);
                if (endpoint.IPEndPoint is { } address) _ports.Add((address.Port, endpoint.Protocols));
            }
        }
    }

    private bool IsRemoteWithHttp2(string address)
    {
        if (!Uri.TryCreate(address, UriKind.Absolute, out var url)) return false;
        if (string.Equals(url.Host, "localhost", StringComparison.OrdinalIgnoreCase)) return false;
        if (IPAddress.TryParse(url.Host, out var host) && IPAddress.IsLoopback(host)) return false;
        var known = _ports.Where(port => port.Port == url.Port || port.Port == 0).ToArray();
        return known.Length == 0 || known.Any(static port => HasHttp2(port.Protocols));
    }

    private static bool ServesAnybody(GrpcLlmOptions options) => options.Tenants.Count == 0 && !options.AllowAnonymousRemote;

    // A socket that was handed to the process may lead anywhere.
    private static bool IsRemote(EndPoint endpoint) => endpoint switch
    {
        IPEndPoint address => !IPAddress.IsLoopback(address.Address),
        UnixDomainSocketEndPoint or NamedPipeEndPoint => false,
        _ => true,
    };

    // gRPC cannot be called over HTTP/1.1.
    private static bool HasHttp2(HttpProtocols protocols) => (protocols & ~HttpProtocols.Http1) != HttpProtocols.None;

    private static OptionsValidationException Refused(string endpoint) => new(
        GrpcLlmOptions.Section, typeof(GrpcLlmOptions),
        [
            $"{endpoint} can be reached from other machines, and with no tenants configured anybody there could call: "
            + "configure GrpcLlm:Tenants, or set GrpcLlm:AllowAnonymousRemote=true to serve everybody",
        ]);
}
