using System.Buffers;
using System.Text;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// Server-sent events (WHATWG HTML, section 9.2.6): fields <c>event</c> and <c>data</c>, lines that end with LF, CR or CRLF,
/// a byte order mark in front. <c>id</c> and <c>retry</c> are for clients that connect again, and ignored with comments and
/// unknown fields. Unlike there, an event that the body's end cuts off is one too: providers forget the last blank line.
/// </summary>
/// <remarks>
/// Beside <c>System.Net.ServerSentEvents</c>, which reads the same: an event whose lines have all come is handed over where
/// it lies, no call awaits, and a stream that waits holds neither the parser's buffer nor its state machines.
/// </remarks>
internal sealed class ServerSentEventFraming : EventFraming
{
    // An idle stream keeps no more of an event that came in pieces.
    private const int MaxKeptBytes = 4096;

    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    private ArrayBufferWriter<byte>? _lines;
    private string _type = DefaultType;
    private string _lastType = DefaultType;
    private int _scanned;
    private bool _begun;
    private bool _hasData;
    private bool _skipsLineFeed;

    public override bool TryTake(
        ReadOnlySpan<byte> bytes, bool isEnd, out int used, out string type, out ReadOnlySpan<byte> data)
    {
        type = DefaultType;
        data = default;
        used = 0;
        if (!_begun && !TryBegin(bytes, isEnd, out used)) return false;
        while (true)
        {
            if (_skipsLineFeed && used < bytes.Length)
            {
                _skipsLineFeed = false;
                if (bytes[used] == (byte)'\n') used++;
            }

            // What was looked at is not looked at again, however small the pieces are in which a long line comes.
            var rest = bytes[used..];
            var length = rest[_scanned..].IndexOfAny((byte)'\n', (byte)'\r');
            if (length < 0 && !isEnd)
            {
                _scanned = rest.Length;
                return false;
            }

            length = length < 0 ? rest.Length : _scanned + length;
            _scanned = 0;
            used += length;
            var isLast = !EndLine(bytes, ref used);
            var line = rest[..length];
            if (line.IsEmpty)
            {
                if (_hasData) return Dispatch(out type, out data);
                _type = DefaultType;
            }
            else if (ValueOf(line, "data"u8, out var value))
            {
                // Most events are one line, and the blank one behind it has come too.
                if (!_hasData && EndLine(bytes, ref used))
                {
                    type = TakeType();
                    data = value;
                    return true;
                }

                Append(value);
            }
            else if (ValueOf(line, "event"u8, out value))
            {
                _type = Name(value);
            }

            if (isLast) return _hasData && Dispatch(out type, out data);
        }
    }

    private bool TryBegin(ReadOnlySpan<byte> bytes, bool isEnd, out int used)
    {
        used = 0;
        if (bytes.Length < ByteOrderMark.Length && !isEnd && ByteOrderMark.StartsWith(bytes)) return false;
        if (bytes.StartsWith(ByteOrderMark)) used = ByteOrderMark.Length;
        _begun = true;
        return true;
    }

    /// <summary>Passes the end of a line, if it is there. Of CR LF, the LF may come later.</summary>
    private bool EndLine(ReadOnlySpan<byte> bytes, ref int at)
    {
        if (at >= bytes.Length || bytes[at] is not ((byte)'\n' or (byte)'\r')) return false;
        if (bytes[at++] != (byte)'\r') return true;
        if (at == bytes.Length) _skipsLineFeed = true;
        else if (bytes[at] == (byte)'\n') at++;
        return true;
    }

    /// <summary>Whether the line is that field: its name, and a colon with the value behind it, less one space in front.</summary>
    private static bool ValueOf(ReadOnlySpan<byte> line, ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (!line.StartsWith(name)) return false;
        if (line.Length == name.Length) return true;
        if (line[name.Length] != (byte)':') return false;
        value = line[(name.Length + 1)..];
        if (value is [(byte)' ', ..]) value = value[1..];
        return true;
    }

    private void Append(ReadOnlySpan<byte> value)
    {
        _lines ??= new ArrayBufferWriter<byte>();
        if (_hasData) _lines.Write("\n"u8);
        _lines.Write(value);
        _hasData = true;
    }

    private bool Dispatch(out string type, out ReadOnlySpan<byte> data)
    {
        type = TakeType();
        data = _lines!.WrittenSpan;
        _hasData = false;
        if (_lines.Capacity > MaxKeptBytes) _lines = null;
        else _lines.ResetWrittenCount();
        return true;
    }

    private string TakeType()
    {
        var type = _type;
        _type = DefaultType;
        return type;
    }

    // Types alternate among a few, and one comes many times in a row.
    private string Name(ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty) return DefaultType;
        if (!Ascii.Equals(value, _lastType)) _lastType = Encoding.UTF8.GetString(value);
        return _lastType;
    }
}
