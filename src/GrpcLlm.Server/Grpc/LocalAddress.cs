using System.Net;

namespace GrpcLlm.Server.Grpc;

/// <summary>The address of this server that a call came to, as text: mostly the same, so the last one is kept. Thread-safe.</summary>
internal static class LocalAddress
{
    private static Known? _last;

    /// <summary>The address; null where it has none, as on a Unix socket.</summary>
    public static string? TextOf(ConnectionInfo connection)
    {
        if (connection.LocalIpAddress is not { } address) return null;
        if (_last is { } last && last.Address.Equals(address)) return last.Text;
        var text = address.ToString();
        _last = new Known(address, text);
        return text;
    }

    private sealed record Known(IPAddress Address, string Text);
}
