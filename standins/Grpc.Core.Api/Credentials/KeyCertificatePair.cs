namespace Grpc.Core;

/// <summary>A certificate chain with its private key, both PEM. Immutable and thread-safe.</summary>
public sealed class KeyCertificatePair
{
    /// <summary>Makes a pair.</summary>
    /// <param name="certificateChain">The PEM certificates, the peer's own first.</param>
    /// <param name="privateKey">The PEM private key.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    public KeyCertificatePair(string certificateChain, string privateKey)
    {
        ArgumentNullException.ThrowIfNull(certificateChain);
        ArgumentNullException.ThrowIfNull(privateKey);
        CertificateChain = certificateChain;
        PrivateKey = privateKey;
    }

    /// <summary>The PEM certificates, the peer's own first.</summary>
    public string CertificateChain { get; }

    /// <summary>The PEM private key.</summary>
    public string PrivateKey { get; }
}
