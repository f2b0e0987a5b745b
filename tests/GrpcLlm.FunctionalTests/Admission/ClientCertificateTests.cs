using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace GrpcLlm.FunctionalTests.Admission;

/// <summary>TLS with client certificates of an authority made here: the subject tells the tenant.</summary>
public sealed class ClientCertificateTests : IDisposable
{
    private readonly Authority _authority = new("CN=Test Authority");
    private readonly X509Certificate2 _server;

    public ClientCertificateTests() => _server = _authority.Issue("CN=localhost");

    public void Dispose()
    {
        _server.Dispose();
        _authority.Dispose();
    }

    [Fact]
    public async Task Subject_OfATenant_IsThatTenant()
    {
        await using var server = await StartAsync();
        using var certificate = _authority.Issue("CN=billing,O=Example");

        (await CallAsync(server, certificate)).Text.ShouldBe("ok");

        (await server.Logs.NextUsageAsync()).GetProperty("tenant").GetString().ShouldBe("billing");
    }

    [Theory]
    [InlineData("CN=billing,O=Other")]
    [InlineData("CN=billing")]
    public async Task Subject_OfNoTenant_IsUnauthenticated(string subject)
    {
        await using var server = await StartAsync();
        using var certificate = _authority.Issue(subject);

        var answer = await CallAsync(server, certificate);

        answer.Status.StatusCode.ShouldBe(StatusCode.Unauthenticated);
        answer.Status.Detail.ShouldBe("The client certificate belongs to no tenant.");
    }

    [Fact]
    public async Task NoCertificate_NeedsAKey()
    {
        await using var server = await StartAsync();

        (await CallAsync(server, null)).Status.StatusCode.ShouldBe(StatusCode.Unauthenticated);
        (await CallAsync(server, null, TenantSettings.Key("key-of-billing"))).Text.ShouldBe("ok");
    }

    [Fact]
    public async Task RightCertificateWithAWrongKey_IsUnauthenticated()
    {
        await using var server = await StartAsync();
        using var certificate = _authority.Issue("CN=billing,O=Example");

        (await CallAsync(server, certificate, TenantSettings.Key("wrong"))).Reason.ShouldBe("UNAUTHENTICATED");
    }

    [Fact]
    public async Task CertificateOfAnotherAuthority_IsNotEvenConnected()
    {
        await using var server = await StartAsync();
        using var other = new Authority("CN=Test Authority");
        using var certificate = other.Issue("CN=billing,O=Example");

        await Should.ThrowAsync<RpcException>(() => CallAsync(server, certificate));

        server.Metrics.AllFinished.ShouldBe(0);
    }

    private Task<LlmServer> StartAsync() => LlmServer.StartAsync(
        ScriptedBackend.Text("ok"),
        builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.ConfigureHttpsDefaults(https =>
        {
            https.ServerCertificate = _server;
            https.ClientCertificateMode = ClientCertificateMode.AllowCertificate;
            https.ClientCertificateValidation = (certificate, _, _) => _authority.HasIssued(certificate);
        })),
        [
            "Kestrel:Endpoints:Grpc:Url=https://127.0.0.1:0",
            .. TenantSettings.Of("billing", "key-of-billing", "CertificateSubjects:0=CN=billing, O=Example"),
        ]);

    private async Task<Answer> CallAsync(LlmServer server, X509Certificate2? certificate, Metadata? headers = null)
    {
        using var channel = GrpcChannel.ForAddress(server.Address, new GrpcChannelOptions
        {
            HttpHandler = new SocketsHttpHandler
            {
                SslOptions =
                {
                    RemoteCertificateValidationCallback = (_, shown, _, _) => shown is X509Certificate2 one && _authority.HasIssued(one),
                    ClientCertificates = certificate is null ? [] : [certificate],
                },
            },
            DisposeHttpClient = true,
        });
        using var call = new GenerationService.GenerationServiceClient(channel).Generate(
            new GenerateRequest { Prompt = "p" }, headers, cancellationToken: TestContext.Current.CancellationToken);
        return await Answer.OfAsync(call);
    }

    private sealed class Authority : IDisposable
    {
        private static readonly DateTimeOffset From = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);
        private static readonly DateTimeOffset To = new(2100, 1, 1, 0, 0, 0, TimeSpan.Zero);

        private readonly X509Certificate2 _root;
        private int _issued;

        public Authority(string subject)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
            _root = request.CreateSelfSigned(From, To);
        }

        public X509Certificate2 Issue(string subject)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
            var names = new SubjectAlternativeNameBuilder();
            names.AddIpAddress(IPAddress.Loopback);
            request.CertificateExtensions.Add(names.Build());
            using var bare = request.Create(_root, From, To, [(byte)++_issued]);
            return bare.CopyWithPrivateKey(key);
        }

        public bool HasIssued(X509Certificate2 certificate)
        {
            using var chain = new X509Chain();
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.Add(_root);
            chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            return chain.Build(certificate);
        }

        public void Dispose() => _root.Dispose();
    }
}
