using System.Security.Cryptography;
using System.Text;
using Grpc.Core;

namespace GrpcLlm.FunctionalTests.Admission;

/// <summary>Settings of tenants, and the credentials to call as one.</summary>
internal static class TenantSettings
{
    /// <summary>A tenant with one key.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="key">Its key.</param>
    /// <param name="more">Further settings of it, in the form <c>Key=value</c>.</param>
    public static string[] Of(string name, string key, params string[] more) =>
    [
        $"GrpcLlm:Tenants:{name}:ApiKeyHashes:0=sha256:{Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(key)))}",
        .. more.Select(setting => $"GrpcLlm:Tenants:{name}:{setting}"),
    ];

    /// <summary>Metadata of a caller with a key.</summary>
    public static Metadata Key(string key) => new() { { "authorization", "Bearer " + key } };
}
