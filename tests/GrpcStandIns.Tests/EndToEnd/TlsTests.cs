using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace GrpcStandIns.Tests.EndToEnd;

public sealed class TlsTests : IDisposable
{
    private readonly X509Certificate2 _serverCertificate = SelfSigned("localhost");
    private readonly X509Certificate2 _clientCertificate = SelfSigned("client.example");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _serverCertificate.Dispose();
        _clientCertificate.Dispose();
    }

    [Fact]
    public async Task ChannelWithCallCredentials_EveryCallCarriesTheToken()
    {
        var credentials = ChannelCredentials.Create(ChannelCredentials.SecureSsl, CallCredentials.FromInterceptor(
            (_, headers) =>
            {
                headers.Add("authorization", "Bearer 1");
                return Task.CompletedTask;
            }));
        await using var host = await StartAsync(
            context => context.RequestHeaders.GetValue("authorization"),
            credentials,
            withClientCertificate: false);

        for (var i = 0; i < 2; i++)
            (await host.Client.UnaryAsync(new Note(), cancellationToken: Token)).Text.ShouldBe("Bearer 1");
    }

    [Fact]
    public async Task ClientWithoutCertificate_IsNotAuthenticated()
    {
        await using var host = await StartAsync(Identity, ChannelCredentials.SecureSsl, withClientCertificate: false);

        var reply = await host.Client.UnaryAsync(new Note(), cancellationToken: Token);

        reply.Text.ShouldBe("nobody");
    }

    [Fact]
    public async Task ClientWithCertificate_IsIdentifiedByIt()
    {
        await using var host = await StartAsync(Identity, new SslCredentials(), withClientCertificate: true);

        var reply = await host.Client.UnaryAsync(new Note(), cancellationToken: Token);

        reply.Text.ShouldBe("client.example");
    }

    private static string Identity(ServerCallContext context) => context.AuthContext.IsPeerAuthenticated
        ? string.Join(' ', context.AuthContext.PeerIdentity.Select(property => property.Value))
        : "nobody";

    private static X509Certificate2 SelfSigned(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
    }

    private Task<EchoHost> StartAsync(
        Func<ServerCallContext, string?> answer,
        ChannelCredentials credentials,
        bool withClientCertificate) => EchoHost.StartAsync(
            new ScriptedEcho
            {
                OnUnary = (_, context) => Task.FromResult(new Note { Text = answer(context) ?? "nothing" }),
            },
            client: options => Configure(options, credentials, withClientCertificate),
            listen: endpoint => endpoint.UseHttps(https =>
            {
                https.ServerCertificate = _serverCertificate;
                https.ClientCertificateMode = ClientCertificateMode.AllowCertificate;
                https.ClientCertificateValidation = (certificate, _, _) => Same(certificate, _clientCertificate);
            }));

    private void Configure(GrpcChannelOptions options, ChannelCredentials credentials, bool withClientCertificate)
    {
        var handler = new SocketsHttpHandler();
        handler.SslOptions.RemoteCertificateValidationCallback =
            (_, certificate, _, _) => certificate is not null && Same(certificate, _serverCertificate);
        if (withClientCertificate) handler.SslOptions.ClientCertificates = [_clientCertificate];

        options.Credentials = credentials;
        options.HttpHandler = handler;
        options.DisposeHttpClient = true;
    }

    private static bool Same(X509Certificate left, X509Certificate right) =>
        left.GetRawCertData().AsSpan().SequenceEqual(right.GetRawCertData());
}
