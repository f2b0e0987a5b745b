namespace Grpc.Core;

/// <summary>The server that a <see cref="VerifyPeerCallback"/> decides about. Immutable and thread-safe.</summary>
/// <param name="targetName">The host that the channel asked for.</param>
/// <param name="peerPem">The server's certificate, PEM.</param>
public class VerifyPeerContext(string targetName, string peerPem)
{
    /// <summary>The host that the channel asked for.</summary>
    public string TargetName { get; } = targetName;

    /// <summary>The server's certificate, PEM.</summary>
    public string PeerPem { get; } = peerPem;
}
