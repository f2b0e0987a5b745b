namespace Grpc.Core;

/// <summary>
/// How a transport learns what <see cref="ChannelCredentials"/> consist of: one of these is called for each.
/// </summary>
public abstract class ChannelCredentialsConfiguratorBase
{
    /// <summary>The connection is not protected.</summary>
    /// <param name="state">What the transport passed.</param>
    public abstract void SetInsecureCredentials(object? state);

    /// <summary>The connection is TLS.</summary>
    /// <param name="state">What the transport passed.</param>
    /// <param name="rootCertificates">PEM roots to trust, or null for the machine's own.</param>
    /// <param name="keyCertificatePair">The client's certificate, or null for none.</param>
    /// <param name="verifyPeerCallback">A further check of the server, or null for none.</param>
    public abstract void SetSslCredentials(
        object? state,
        string? rootCertificates,
        KeyCertificatePair? keyCertificatePair,
        VerifyPeerCallback? verifyPeerCallback);

    /// <summary>The connection is protected and its calls carry credentials.</summary>
    /// <param name="state">What the transport passed.</param>
    /// <param name="channelCredentials">Protects the connection.</param>
    /// <param name="callCredentials">Goes with each call.</param>
    public abstract void SetCompositeCredentials(
        object? state,
        ChannelCredentials channelCredentials,
        CallCredentials callCredentials);
}
