namespace GrpcStandIns.Tests.Api;

public class ChannelCredentialsTests
{
    private static readonly CallCredentials PerCall = CallCredentials.FromInterceptor((_, _) => Task.CompletedTask);
    private readonly object _state = new();

    [Fact]
    public void Insecure_TellsTheTransportSo()
    {
        Describe(ChannelCredentials.Insecure).ShouldBe(new Description("insecure", _state));
        ChannelCredentials.Insecure.ShouldBeSameAs(ChannelCredentials.Insecure);
    }

    [Fact]
    public void SecureSsl_IsTlsWithDefaults()
    {
        var expected = new Description("tls", _state);

        Describe(ChannelCredentials.SecureSsl).ShouldBe(expected);
        Describe(new SslCredentials()).ShouldBe(expected);
        ChannelCredentials.SecureSsl.ShouldBeOfType<SslCredentials>();
    }

    [Fact]
    public void SslCredentials_TellTheTransportWhatTheyWereGiven()
    {
        var pair = new KeyCertificatePair("chain", "key");
        VerifyPeerCallback verify = context => context.TargetName.Length > 0;

        Describe(new SslCredentials("roots")).ShouldBe(new Description("tls", _state, "roots"));
        Describe(new SslCredentials("roots", pair)).ShouldBe(new Description("tls", _state, "roots", pair));
        Describe(new SslCredentials("roots", pair, verify))
            .ShouldBe(new Description("tls", _state, "roots", pair, verify));
    }

    [Fact]
    public void SslCredentials_KeepTheirParts()
    {
        var pair = new KeyCertificatePair("chain", "key");
        var credentials = new SslCredentials("roots", pair);

        credentials.RootCertificates.ShouldBe("roots");
        credentials.KeyCertificatePair.ShouldBeSameAs(pair);
        pair.CertificateChain.ShouldBe("chain");
        pair.PrivateKey.ShouldBe("key");
    }

    [Fact]
    public void Create_TlsAndCallCredentials_TellsTheTransportBoth()
    {
        var tls = new SslCredentials();

        Describe(ChannelCredentials.Create(tls, PerCall))
            .ShouldBe(new Description("composite", _state, Channel: tls, Call: PerCall));
    }

    [Fact]
    public void Create_InsecureConnection_IsRefused() =>
        Should.Throw<ArgumentException>(() => ChannelCredentials.Create(ChannelCredentials.Insecure, PerCall));

    [Fact]
    public void NullArguments_AreRefused()
    {
        Should.Throw<ArgumentNullException>(() => ChannelCredentials.Create(null!, PerCall));
        Should.Throw<ArgumentNullException>(() => ChannelCredentials.Create(new SslCredentials(), null!));
        Should.Throw<ArgumentNullException>(() => new KeyCertificatePair(null!, "key"));
        Should.Throw<ArgumentNullException>(() => new KeyCertificatePair("chain", null!));
    }

    private Description? Describe(ChannelCredentials credentials)
    {
        var describer = new Describer();
        credentials.InternalPopulateConfiguration(describer, _state);
        return describer.Result;
    }

    private sealed record Description(
        string Kind,
        object? State,
        string? Roots = null,
        KeyCertificatePair? Pair = null,
        VerifyPeerCallback? Verify = null,
        ChannelCredentials? Channel = null,
        CallCredentials? Call = null);

    private sealed class Describer : ChannelCredentialsConfiguratorBase
    {
        public Description? Result { get; private set; }

        public override void SetInsecureCredentials(object? state) => Result = new("insecure", state);

        public override void SetSslCredentials(
            object? state,
            string? rootCertificates,
            KeyCertificatePair? keyCertificatePair,
            VerifyPeerCallback? verifyPeerCallback) =>
            Result = new("tls", state, rootCertificates, keyCertificatePair, verifyPeerCallback);

        public override void SetCompositeCredentials(
            object? state,
            ChannelCredentials channelCredentials,
            CallCredentials callCredentials) =>
            Result = new("composite", state, Channel: channelCredentials, Call: callCredentials);
    }
}
