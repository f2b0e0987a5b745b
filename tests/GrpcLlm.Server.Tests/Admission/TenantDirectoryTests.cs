using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace GrpcLlm.Server.Tests.Admission;

public sealed class TenantDirectoryTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void NoTenants_EverybodyIsAnonymous()
    {
        var directory = Directory([]);

        directory.Identify(new DefaultHttpContext()).ShouldBeSameAs(Tenant.Anonymous);
        directory.Identify(With("Bearer anything")).ShouldBeSameAs(Tenant.Anonymous);
        directory.Identify(With("nonsense", "twice")).ShouldBeSameAs(Tenant.Anonymous);
    }

    [Theory]
    [InlineData("Bearer key-a", "a")]
    [InlineData("bearer key-a", "a")]
    [InlineData("BEARER   key-a", "a")]
    [InlineData("Bearer key-b1", "b")]
    [InlineData("Bearer key-b2", "b")]
    public void Key_OfATenant_IsThatTenant(string header, string tenant) =>
        TwoTenants().Identify(With(header)).Name.ShouldBe(tenant);

    [Theory]
    [InlineData("Bearer key-c", "The key belongs to no tenant.")]
    [InlineData("Bearer KEY-A", "The key belongs to no tenant.")]
    [InlineData("Bearer key-a!", "The key belongs to no tenant.")]
    [InlineData("Basic key-a", "The authorization scheme must be Bearer.")]
    [InlineData("key-a", "The authorization scheme must be Bearer.")]
    [InlineData("Bearerkey-a", "The authorization scheme must be Bearer.")]
    [InlineData(" Bearer key-a", "The authorization scheme must be Bearer.")]
    [InlineData("", "The authorization scheme must be Bearer.")]
    [InlineData("Bearer", "The key must have 1 to 512 visible ASCII characters, without spaces.")]
    [InlineData("Bearer ", "The key must have 1 to 512 visible ASCII characters, without spaces.")]
    [InlineData("Bearer key-a ", "The key must have 1 to 512 visible ASCII characters, without spaces.")]
    [InlineData("Bearer key-a, Bearer key-a", "The key must have 1 to 512 visible ASCII characters, without spaces.")]
    [InlineData("Bearer \tkey-a", "The key must have 1 to 512 visible ASCII characters, without spaces.")]
    [InlineData("Bearer kéy-a", "The key must have 1 to 512 visible ASCII characters, without spaces.")]
    public void Key_WrongInAnyWay_IsUnauthenticatedAndNotRepeated(string header, string message) =>
        Refuse(TwoTenants(), With(header)).Message.ShouldBe(message);

    [Fact]
    public void Key_OfAnyLength_IsLookedAtUpTo512Characters()
    {
        var longest = new string('k', 512);
        var directory = Directory(new() { ["a"] = new TenantOptions { ApiKeyHashes = [Hash(longest)] } });

        directory.Identify(With("Bearer " + longest)).Name.ShouldBe("a");
        Refuse(directory, With("Bearer k" + longest)).Message.ShouldStartWith("The key must have 1 to 512");
        Refuse(directory, With("Bearer " + new string('k', 1_000_000))).Message.ShouldStartWith("The key must have 1 to 512");
    }

    [Fact]
    public void Headers_Two_AreUnauthenticated() =>
        Refuse(TwoTenants(), With("Bearer key-a", "Bearer key-a")).Message.ShouldBe("There must be one authorization header.");

    [Fact]
    public void Nothing_IsUnauthenticatedAndSaysWhatIsMissing()
    {
        var http = new DefaultHttpContext();
        http.Request.QueryString = new QueryString("?key=key-a&authorization=Bearer%20key-a");

        var failure = Refuse(TwoTenants(), http);

        failure.Message.ShouldStartWith("Credentials are missing");
        failure.Message.ShouldNotContain("key-a");
    }

    [Fact]
    public void Hash_InCapitals_IsTheSame()
    {
        var hash = "sha256:" + Hash("key-a")["sha256:".Length..].ToUpperInvariant();

        Directory(new() { ["a"] = new TenantOptions { ApiKeyHashes = [hash] } }).Identify(With("Bearer key-a")).Name.ShouldBe("a");
    }

    [Theory]
    [InlineData("CN=billing, O=Example", "CN=billing,O=Example")]
    [InlineData("CN=billing,O=Example,C=DE", "CN=billing, O=Example, C=DE")]
    [InlineData("CN=\"b, c\"", "CN=\"b, c\"")]
    public void Certificate_OfASubject_IsThatTenant(string configured, string subject)
    {
        var directory = Directory(new() { ["a"] = new TenantOptions { CertificateSubjects = ["CN=other", configured] } });
        using var certificate = Certificate(subject);
        var http = new DefaultHttpContext();
        http.Connection.ClientCertificate = certificate;

        directory.Identify(http).Name.ShouldBe("a");
    }

    [Theory]
    [InlineData("CN=Billing, O=Example")]
    [InlineData("O=Example, CN=billing")]
    [InlineData("CN=billing")]
    [InlineData("CN=billing, O=Example, OU=more")]
    public void Certificate_OfAnotherSubject_IsUnauthenticated(string subject)
    {
        var directory = Directory(new() { ["a"] = new TenantOptions { CertificateSubjects = ["CN=billing, O=Example"] } });
        using var certificate = Certificate(subject);
        var http = new DefaultHttpContext();
        http.Connection.ClientCertificate = certificate;

        Refuse(directory, http).Message.ShouldBe("The client certificate belongs to no tenant.");
    }

    [Fact]
    public void Certificate_NeverSavesAWrongKey()
    {
        var directory = Directory(new() { ["a"] = new TenantOptions { ApiKeyHashes = [Hash("key-a")], CertificateSubjects = ["CN=billing"] } });
        using var certificate = Certificate("CN=billing");
        var http = With("Bearer wrong");
        http.Connection.ClientCertificate = certificate;

        Refuse(directory, http).Message.ShouldBe("The key belongs to no tenant.");
    }

    [Fact]
    public void Reload_TenantsStayTheSameWithNewLimitsAndKeys()
    {
        var before = Directory(new() { ["Team"] = new TenantOptions { ApiKeyHashes = [Hash("old")], RequestsPerMinute = 5 } });
        var tenant = before.Identify(With("Bearer old"));
        tenant.TakeRequest();

        var after = before.Reload(new Dictionary<string, TenantOptions>
        {
            ["team"] = new() { ApiKeyHashes = [Hash("new")], RequestsPerMinute = 50 },
        });

        after.Identify(With("Bearer new")).ShouldBeSameAs(tenant);
        tenant.RequestBudget!.Available.ShouldBe(49);
        Refuse(after, With("Bearer old")).Message.ShouldBe("The key belongs to no tenant.");
        before.Identify(With("Bearer old")).ShouldBeSameAs(tenant);
    }

    [Fact]
    public void Reload_TenantGoesAndComesBack_IsTheSame()
    {
        var settings = new Dictionary<string, TenantOptions> { ["a"] = new() { ApiKeyHashes = [Hash("key-a")] } };
        var first = Directory(settings);
        var tenant = first.Identify(With("Bearer key-a"));

        var without = first.Reload(new Dictionary<string, TenantOptions> { ["b"] = new() { ApiKeyHashes = [Hash("key-b")] } });
        Refuse(without, With("Bearer key-a"));

        without.Reload(settings).Identify(With("Bearer key-a")).ShouldBeSameAs(tenant);
        without.Reload(new Dictionary<string, TenantOptions>()).Identify(With("Bearer key-a")).ShouldBeSameAs(Tenant.Anonymous);
    }

    private TenantDirectory TwoTenants() => Directory(new()
    {
        ["a"] = new TenantOptions { ApiKeyHashes = [Hash("key-a")] },
        ["b"] = new TenantOptions { ApiKeyHashes = [Hash("key-b1"), Hash("key-b2")] },
    });

    private TenantDirectory Directory(Dictionary<string, TenantOptions> tenants) => new(tenants, _time);

    private static CallFailureException Refuse(TenantDirectory directory, HttpContext http)
    {
        var failure = Should.Throw<CallFailureException>(() => directory.Identify(http));
        failure.Reason.ShouldBe(ErrorReason.Unauthenticated);
        return failure;
    }

    private static DefaultHttpContext With(params string[] authorization)
    {
        var http = new DefaultHttpContext();
        http.Request.Headers.Authorization = new StringValues(authorization);
        return http;
    }

    private static string Hash(string key) =>
        "sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(key)));

    private static X509Certificate2 Certificate(string subject)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new CertificateRequest(subject, key, HashAlgorithmName.SHA256).CreateSelfSigned(
            new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero), new DateTimeOffset(2040, 1, 1, 0, 0, 0, TimeSpan.Zero));
    }
}
