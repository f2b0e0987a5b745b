using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using GrpcLlm.V1;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace GrpcLlm.Client.Tests;

public sealed class ConnectionTests : IDisposable
{
    /// <summary>Only a test that hangs ever meets it.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(30);

    private readonly X509Certificate2 _certificate = SelfSigned();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _certificate.Dispose();

    [Fact]
    public async Task Tls_ServerNotTrusted_IsTransportFailureAndNotTriedAgain()
    {
        await using var server = await TestServer.StartAsync(configure: endpoint => endpoint.UseHttps(_certificate));
        await using var client = server.CreateClient();

        var failure = await Should.ThrowAsync<GenerationException>(client.GenerateTextAsync("hi", cancellationToken: Token));

        failure.Kind.ShouldBe(GenerationFailureKind.Transport);
        failure.RetrySafe.ShouldBeFalse();
        failure.Attempts.ShouldBe(1);
    }

    [Fact]
    public async Task Tls_ClientCertificate_ReachesTheServer()
    {
        await using var server = await TestServer.StartAsync(configure: endpoint => endpoint.UseHttps(https =>
        {
            https.ServerCertificate = _certificate;
            https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
            https.AllowAnyClientCertificate();
        }));
        string? seen = null;
        server.Service.OnGenerate = (_, stream, context) =>
        {
            seen = context.GetHttpContext().Connection.ClientCertificate?.Thumbprint;
            return stream.WriteAsync(Chunks.End(1), context.CancellationToken);
        };
        await using var client = new GrpcLlmClient(server.Address, new GrpcLlmClientOptions
        {
            ApiKey = "key-1",
            ConfigureHandler = handler => handler.SslOptions = new SslClientAuthenticationOptions
            {
                ClientCertificates = [_certificate],
                RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                    certificate?.GetCertHashString() == _certificate.Thumbprint,
            },
        });

        await client.GenerateTextAsync("hi", cancellationToken: Token);

        seen.ShouldBe(_certificate.Thumbprint);
        server.Authorizations.ShouldBe(["Bearer key-1"]);
    }

    [Fact]
    public async Task Streams_BeyondTheServersLimit_GetFurtherConnections()
    {
        await using var server = await TestServer.StartAsync(streamsPerConnection: 2);
        await using var client = server.CreateClient();
        server.Service.StreamsThenHangs(Chunks.First("Hello"));
        using var end = new CancellationTokenSource();

        var streams = Enumerable.Range(0, 7)
            .Select(_ => client.GenerateAsync(new GenerateRequest(), cancellationToken: end.Token).GetAsyncEnumerator(Token))
            .ToList();
        var firsts = await Task.WhenAll(streams.Select(stream => stream.MoveNextAsync().AsTask())).WaitAsync(Hang, Token);

        firsts.ShouldAllBe(first => first);
        await Task.WhenAll(streams.Select(stream => stream.DisposeAsync().AsTask()));
    }

    private static X509Certificate2 SelfSigned()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(
            TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null);
    }
}
