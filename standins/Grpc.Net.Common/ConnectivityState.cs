namespace Grpc.Core;

/// <summary>What a channel's connection is doing.</summary>
public enum ConnectivityState
{
    /// <summary>No connection and no attempt to make one.</summary>
    Idle,

    /// <summary>A connection is being made.</summary>
    Connecting,

    /// <summary>Connected: calls can be sent at once.</summary>
    Ready,

    /// <summary>The last attempt failed; another one follows.</summary>
    TransientFailure,

    /// <summary>The channel has been disposed and will never connect again.</summary>
    Shutdown,
}
