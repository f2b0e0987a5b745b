namespace Grpc.Core;

/// <summary>TLS. Immutable and thread-safe.</summary>
/// <param name="rootCertificates">PEM roots to trust, or null for the machine's own.</param>
/// <param name="keyCertificatePair">The client's certificate, or null for none.</param>
/// <param name="verifyPeerCallback">A further check of the server, or null for none.</param>
/// <remarks>
/// Grpc.Net.Client takes only credentials without any of the three: there, certificates are set on the HTTP handler.
/// </remarks>
public sealed class SslCredentials(
    string? rootCertificates,
    KeyCertificatePair? keyCertificatePair,
    VerifyPeerCallback? verifyPeerCallback) : ChannelCredentials
{
    /// <summary>TLS with the machine's own trust and no client certificate.</summary>
    public SslCredentials()
        : this(rootCertificates: null)
    {
    }

    /// <summary>TLS with no client certificate.</summary>
    /// <param name="rootCertificates">PEM roots to trust, or null for the machine's own.</param>
    public SslCredentials(string? rootCertificates)
        : this(rootCertificates, keyCertificatePair: null)
    {
    }

    /// <summary>TLS with a client certificate.</summary>
    /// <param name="rootCertificates">PEM roots to trust, or null for the machine's own.</param>
    /// <param name="keyCertificatePair">The client's certificate, or null for none.</param>
    public SslCredentials(string? rootCertificates, KeyCertificatePair? keyCertificatePair)
        : this(rootCertificates, keyCertificatePair, verifyPeerCallback: null)
    {
    }

    /// <summary>PEM roots to trust, or null for the machine's own.</summary>
    public string? RootCertificates { get; } = rootCertificates;

    /// <summary>The client's certificate, or null for none.</summary>
    public KeyCertificatePair? KeyCertificatePair { get; } = keyCertificatePair;

    internal override bool IsComposable => true;

    /// <inheritdoc/>
    public override void InternalPopulateConfiguration(
        ChannelCredentialsConfiguratorBase configurator,
        object? state) =>
        configurator.SetSslCredentials(state, RootCertificates, KeyCertificatePair, verifyPeerCallback);
}
