namespace Grpc.Core;

/// <summary>How messages are written. Immutable and thread-safe.</summary>
/// <param name="flags">The flags; none by default.</param>
public class WriteOptions(WriteFlags flags = default)
{
    /// <summary>No flags: send at once, compress if the call does.</summary>
    public static readonly WriteOptions Default = new();

    /// <summary>The flags.</summary>
    public WriteFlags Flags { get; } = flags;
}
