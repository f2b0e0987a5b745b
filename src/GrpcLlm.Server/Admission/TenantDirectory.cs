using System.Security.Cryptography;
using System.Text;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace GrpcLlm.Server.Admission;

/// <summary>
/// Tells which tenant calls, by its API key or its client certificate. No failure repeats what was sent. Immutable and
/// thread-safe; a reload makes a new one with the same tenants.
/// </summary>
internal sealed class TenantDirectory
{
    /// <summary>Longest key that is looked at, in characters.</summary>
    public const int MaxKeyChars = 512;

    private const string Scheme = "Bearer";

    private readonly TimeProvider _time;

    /// <summary>Every tenant that this process ever had: one that comes back finds what it spent.</summary>
    private readonly Dictionary<string, Tenant> _known;
    private readonly List<(byte[] Hash, Tenant Tenant)> _keys = [];
    private readonly Dictionary<string, Tenant> _subjects = new(StringComparer.Ordinal);
    private readonly bool _isOpen;

    /// <param name="options">Tenants by name, checked; none: everybody is anonymous.</param>
    /// <param name="timeProvider">Clock of their budgets.</param>
    public TenantDirectory(IReadOnlyDictionary<string, TenantOptions> options, TimeProvider timeProvider)
        : this(options, timeProvider, [])
    {
    }

    private TenantDirectory(
        IReadOnlyDictionary<string, TenantOptions> options, TimeProvider timeProvider, Dictionary<string, Tenant> known)
    {
        _time = timeProvider;
        _known = new Dictionary<string, Tenant>(known, StringComparer.OrdinalIgnoreCase);
        _isOpen = options.Count == 0;
        foreach (var (name, one) in options)
        {
            var limits = TenantLimits.Of(one);
            if (_known.TryGetValue(name, out var tenant)) tenant.Update(limits);
            else _known.Add(name, tenant = new Tenant(name, limits, timeProvider));
            foreach (var hash in one.ApiKeyHashes)
                _keys.Add((Convert.FromHexString(hash.AsSpan(TenantRules.HashPrefix.Length)), tenant));
            foreach (var subject in one.CertificateSubjects)
                _subjects.Add(TenantRules.SubjectName(subject), tenant);
        }
    }

    /// <summary>
    /// The directory of changed settings. A tenant whose name stays, in any case, stays the same object, with its new
    /// limits from now on. Nothing here fails for checked settings; one caller at a time.
    /// </summary>
    public TenantDirectory Reload(IReadOnlyDictionary<string, TenantOptions> options) => new(options, _time, _known);

    /// <summary>
    /// Who calls: by the key in <c>authorization: Bearer</c>; without that header by the subject of the client
    /// certificate, which Kestrel has checked. A header that is there must be right: no certificate saves a wrong key.
    /// </summary>
    /// <exception cref="CallFailureException">UNAUTHENTICATED.</exception>
    public Tenant Identify(HttpContext http)
    {
        if (_isOpen) return Tenant.Anonymous;
        var authorization = http.Request.Headers.Authorization;
        if (authorization.Count > 0) return ByKey(authorization);
        if (http.Features.Get<ITlsConnectionFeature>()?.ClientCertificate is not { } certificate)
            throw Refused("Credentials are missing: send 'authorization: Bearer <key>' or use a client certificate.");
        return _subjects.TryGetValue(certificate.SubjectName.Name, out var tenant)
            ? tenant
            : throw Refused("The client certificate belongs to no tenant.");
    }

    private Tenant ByKey(StringValues authorization)
    {
        if (authorization.Count > 1) throw Refused("There must be one authorization header.");
        var value = authorization[0].AsSpan();
        var end = value.IndexOf(' ');
        if (!(end < 0 ? value : value[..end]).Equals(Scheme, StringComparison.OrdinalIgnoreCase))
            throw Refused("The authorization scheme must be Bearer.");

        var key = value[Scheme.Length..].TrimStart(' ');
        if (key.Length is 0 or > MaxKeyChars || key.ContainsAnyExceptInRange('!', '~'))
            throw Refused($"The key must have 1 to {MaxKeyChars} visible ASCII characters, without spaces.");
        return Find(key) ?? throw Refused("The key belongs to no tenant.");
    }

    /// <summary>Compares with every hash, each in constant time: the time taken tells nothing of a key.</summary>
    private Tenant? Find(ReadOnlySpan<char> key)
    {
        Span<byte> bytes = stackalloc byte[MaxKeyChars];
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes[..Encoding.ASCII.GetBytes(key, bytes)], hash);
        Tenant? found = null;
        foreach (var (known, tenant) in _keys)
        {
            if (CryptographicOperations.FixedTimeEquals(known, hash)) found = tenant;
        }

        return found;
    }

    private static CallFailureException Refused(string message) => new(ErrorReason.Unauthenticated, message);
}
