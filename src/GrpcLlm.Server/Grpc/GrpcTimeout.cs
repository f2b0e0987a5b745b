using System.Globalization;
using Microsoft.Extensions.Primitives;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// The part of <c>grpc-timeout</c> (gRPC over HTTP/2) that the framework does not honour: a client whose time is over
/// sends <c>0</c> of some unit or <c>1n</c>, which grpc-dotnet, counting in 100 ns, takes for no deadline at all. Stateless
/// and thread-safe.
/// </summary>
internal static class GrpcTimeout
{
    private const string Units = "HMSmun";
    private const int NanosecondsPerTick = 100;
    private const int MaxDigits = 8;

    /// <summary>Whether it is a timeout by the protocol, of less than 100 ns.</summary>
    public static bool IsOver(StringValues header)
    {
        if (header.Count != 1 || header[0] is not { Length: >= 2 and <= MaxDigits + 1 } value || !Units.Contains(value[^1])) return false;
        return uint.TryParse(value.AsSpan(0, value.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && (number == 0 || (value[^1] == 'n' && number < NanosecondsPerTick));
    }
}
