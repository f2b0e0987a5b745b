namespace Grpc.Core;

/// <summary>Decides whether a server whose certificate is valid is the right one.</summary>
/// <param name="context">The server.</param>
/// <returns>Whether to go on with the connection.</returns>
public delegate bool VerifyPeerCallback(VerifyPeerContext context);
