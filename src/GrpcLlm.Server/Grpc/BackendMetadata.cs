using System.Collections.ObjectModel;
using Grpc.Core;
using GrpcLlm.Server.Routing;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// What of a call's metadata backends get to see: the keys that begin with <c>simulate-</c>. Everything else,
/// credentials above all, stays here. Stateless and thread-safe.
/// </summary>
internal static class BackendMetadata
{
    private const string Prefix = "simulate-";

    /// <summary>The entries for the backends of a model; none if they read none.</summary>
    public static IReadOnlyDictionary<string, string> Of(ServerCallContext context, ServedModel model) => model.ReadsMetadata
        ? Of(context.GetHttpContext().Request.Headers)
        : ReadOnlyDictionary<string, string>.Empty;

    /// <summary>The entries for backends; values of a key that came twice are joined by commas.</summary>
    public static IReadOnlyDictionary<string, string> Of(IHeaderDictionary headers)
    {
        Dictionary<string, string>? found = null;
        foreach (var (key, value) in headers)
        {
            if (!key.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase)) continue;
            (found ??= new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase))[key] = value.ToString();
        }

        return found ?? (IReadOnlyDictionary<string, string>)ReadOnlyDictionary<string, string>.Empty;
    }
}
