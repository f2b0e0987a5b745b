using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GrpcLlm.Server.Hosting;

/// <summary>Rules of <c>GrpcLlm:Tenants</c>. No error repeats a hash. Stateless.</summary>
internal static class TenantRules
{
    /// <summary>In front of the hash of a key.</summary>
    public const string HashPrefix = "sha256:";

    private const int MaxNameChars = 64;

    /// <summary>Checks all tenants.</summary>
    /// <param name="tenants">By name.</param>
    /// <param name="models">Names and aliases of all models.</param>
    /// <param name="errors">Where errors go.</param>
    public static void Check(
        Dictionary<string, TenantOptions> tenants, IReadOnlySet<string> models, List<string> errors)
    {
        var hashes = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var subjects = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, tenant) in tenants)
        {
            var path = $"GrpcLlm:Tenants:{name}";
            if (name.Length > MaxNameChars) errors.Add($"{path}: names must have 1 to {MaxNameChars} characters");
            if (tenant.ApiKeyHashes.Count == 0 && tenant.CertificateSubjects.Count == 0)
                errors.Add($"{path}: ApiKeyHashes or CertificateSubjects must identify it");
            CheckHashes(path, tenant.ApiKeyHashes, hashes, errors);
            CheckSubjects(path, tenant.CertificateSubjects, subjects, errors);
            for (var index = 0; index < tenant.Models.Count; index++)
            {
                if (!models.Contains(tenant.Models[index]))
                    errors.Add($"{path}:Models:{index}: '{tenant.Models[index]}' is not the name or alias of a model");
            }
        }
    }

    /// <summary>A subject as certificates tell theirs, however it was written: spaces, quotes.</summary>
    /// <exception cref="CryptographicException">It is no distinguished name.</exception>
    public static string SubjectName(string text) =>
        new X500DistinguishedName(new X500DistinguishedName(text).RawData).Name;

    private static void CheckHashes(string path, List<string> values, HashSet<string> seen, List<string> errors)
    {
        for (var index = 0; index < values.Count; index++)
        {
            var value = values[index];
            var isHash = value.StartsWith(HashPrefix, StringComparison.Ordinal)
                && value.Length == HashPrefix.Length + (2 * SHA256.HashSizeInBytes)
                && value.Skip(HashPrefix.Length).All(char.IsAsciiHexDigit);
            if (!isHash)
                errors.Add($"{path}:ApiKeyHashes:{index}: must be {HashPrefix} and the 64 hexadecimal digits of a key's SHA-256");
            else if (!seen.Add(value))
                errors.Add($"{path}:ApiKeyHashes:{index}: stands there twice; a key identifies one tenant");
        }
    }

    private static void CheckSubjects(string path, List<string> values, HashSet<string> seen, List<string> errors)
    {
        for (var index = 0; index < values.Count; index++)
        {
            try
            {
                var name = SubjectName(values[index]);
                if (name.Length == 0) errors.Add($"{path}:CertificateSubjects:{index}: must not be empty");
                else if (!seen.Add(name)) errors.Add($"{path}:CertificateSubjects:{index}: '{name}' stands there twice");
            }
            catch (CryptographicException)
            {
                errors.Add($"{path}:CertificateSubjects:{index}: '{values[index]}' is no distinguished name such as CN=billing, O=Example");
            }
        }
    }
}
