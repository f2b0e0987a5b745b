namespace Grpc.Core;

/// <summary>How a message is written.</summary>
[Flags]
public enum WriteFlags
{
    /// <summary>More messages follow at once: this one may wait for them instead of being sent alone.</summary>
    BufferHint = 0x1,

    /// <summary>This message is not compressed even if the call is.</summary>
    NoCompress = 0x2,
}
