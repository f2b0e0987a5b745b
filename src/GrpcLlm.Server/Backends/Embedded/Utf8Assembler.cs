using System.Buffers;
using System.Text;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Makes text of tokens whose bytes may end inside a character. Bytes are held until they make whole characters;
/// invalid ones become U+FFFD, one for each maximal subpart (the Unicode standard, 3.9, as everywhere in .NET). Not
/// thread-safe.
/// </summary>
internal sealed class Utf8Assembler(Vocabulary vocabulary)
{
    // A character has at most four bytes, so at most three wait.
    private readonly byte[] _held = new byte[3];
    private int _heldCount;

    /// <summary>Adds a token and takes the characters that it completes; may be empty.</summary>
    public string Append(int token) =>
        // Nearly every token is whole characters and has its text made already.
        _heldCount == 0 && vocabulary.PrintedTextOf(token) is { } whole
            ? whole
            : Append(vocabulary.PrintedBytesOf(token));

    /// <summary>Adds bytes and takes the characters that they complete; may be empty.</summary>
    public string Append(ReadOnlySpan<byte> bytes)
    {
        int total = _heldCount + bytes.Length;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(total);
        _held.AsSpan(0, _heldCount).CopyTo(buffer);
        bytes.CopyTo(buffer.AsSpan(_heldCount));
        Span<byte> all = buffer.AsSpan(0, total);
        int complete = total - IncompleteTail(all);
        string text = Encoding.UTF8.GetString(all[..complete]);
        all[complete..].CopyTo(_held);
        _heldCount = total - complete;
        ArrayPool<byte>.Shared.Return(buffer);
        return text;
    }

    /// <summary>Takes what is left at the end: U+FFFD for an incomplete character, else nothing.</summary>
    public string Flush()
    {
        string text = Encoding.UTF8.GetString(_held, 0, _heldCount);
        _heldCount = 0;
        return text;
    }

    // Length of a beginning of a character at the end, which more bytes may complete.
    private static int IncompleteTail(ReadOnlySpan<byte> bytes)
    {
        for (int length = 1; length <= Math.Min(3, bytes.Length); length++)
        {
            ReadOnlySpan<byte> tail = bytes[^length..];
            if ((tail[0] & 0xC0) == 0x80) continue; // a continuation: its first byte is further left
            return Rune.DecodeFromUtf8(tail, out _, out _) == OperationStatus.NeedMoreData ? length : 0;
        }

        return 0;
    }
}
