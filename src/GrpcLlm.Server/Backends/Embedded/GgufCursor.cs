using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Reads the head of a GGUF file front to back. Every read is checked against the length of the file before a byte is
/// touched or allocated, so that a wrong length costs an exception and nothing else. Not thread-safe.
/// </summary>
/// <param name="bytes">The mapped file.</param>
/// <param name="length">Length of the file in bytes; the mapping itself is rounded up to whole pages.</param>
internal sealed class GgufCursor(SafeBuffer bytes, long length)
{
    private static readonly UTF8Encoding StrictUtf8 =
        new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Offset of the next byte from the start of the file.</summary>
    public long Position { get; private set; }

    /// <summary>Bytes left.</summary>
    public long Remaining => length - Position;

    /// <summary>Reads one little-endian value.</summary>
    /// <param name="what">What is read, for the error message.</param>
    /// <exception cref="EmbeddedModelException">The file ends before it.</exception>
    public T Read<T>(string what)
        where T : unmanaged
    {
        Span<T> value = [default];
        ReadInto(value, what);
        return value[0];
    }

    /// <summary>Reads a string: its length in 8 bytes, then UTF-8.</summary>
    /// <exception cref="EmbeddedModelException">The file ends before it, or it is not UTF-8.</exception>
    public string ReadString(string what)
    {
        ulong count = Read<ulong>(what);
        if (count == 0) return "";
        RequireItems(count, 1, what);
        byte[] text = new byte[count];
        ReadInto(text.AsSpan(), what);
        try
        {
            return StrictUtf8.GetString(text);
        }
        catch (DecoderFallbackException error)
        {
            throw new EmbeddedModelException($"{what} is not valid UTF-8", error);
        }
    }

    /// <summary>Fills <paramref name="destination"/>.</summary>
    /// <exception cref="EmbeddedModelException">The file ends before it is full.</exception>
    public void ReadInto<T>(Span<T> destination, string what)
        where T : unmanaged
    {
        long size = (long)destination.Length * Unsafe.SizeOf<T>();
        if (size > Remaining) throw EndsIn(what);
        bytes.ReadSpan((ulong)Position, destination);
        Position += size;
    }

    /// <summary>Checks that so many items can follow.</summary>
    /// <param name="count">Number of items that the file announces.</param>
    /// <param name="itemSize">Least size of one in bytes.</param>
    /// <param name="what">What they are, for the error message.</param>
    /// <exception cref="EmbeddedModelException">The file is shorter, or they are more than an array holds.</exception>
    public void RequireItems(ulong count, int itemSize, string what)
    {
        if (count > (ulong)(Remaining / itemSize)) throw EndsIn($"{what} ({count} items announced)");
        if (count > (ulong)Array.MaxLength)
            throw new EmbeddedModelException($"{what} has {count} items, more than can be held");
    }

    private EmbeddedModelException EndsIn(string what) =>
        new($"the file ends inside {what}: {Remaining} bytes are left at offset {Position}");
}
