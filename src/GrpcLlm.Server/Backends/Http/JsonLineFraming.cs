namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// One JSON document a line. Skips blank lines, a byte order mark, and the <c>data:</c> that some servers put in front all
/// the same.
/// </summary>
/// <param name="spansLines">Whether a document may span lines: it then ends with the line on which its braces close.</param>
internal sealed class JsonLineFraming(bool spansLines) : EventFraming
{
    private bool _begun;
    private int _scanned;
    private int _depth;
    private bool _inString;

    public override bool TryTake(
        ReadOnlySpan<byte> bytes, bool isEnd, out int used, out string type, out ReadOnlySpan<byte> data)
    {
        type = DefaultType;
        data = default;
        used = 0;
        while (true)
        {
            var rest = bytes[used..];
            var length = FindEnd(rest);
            var isLast = length < 0;
            if (isLast && !isEnd) return false;
            if (isLast) length = rest.Length;
            used += isLast ? length : length + 1;
            _scanned = _depth = 0;
            _inString = false;
            data = Trim(rest[..length]);
            if (!data.IsEmpty) return true;
            if (isLast) return false;
        }
    }

    /// <summary>Bytes up to the line feed that ends the next document; -1 if it has not come.</summary>
    private int FindEnd(ReadOnlySpan<byte> rest)
    {
        if (!spansLines)
        {
            // What was looked at is not looked at again, however small the pieces are in which a long line comes.
            var end = rest[_scanned..].IndexOf((byte)'\n');
            if (end >= 0) return _scanned + end;
            _scanned = rest.Length;
            return -1;
        }

        for (; _scanned < rest.Length; _scanned++)
        {
            switch (rest[_scanned])
            {
                case (byte)'\\' when _inString:
                    _scanned++;
                    break;
                case (byte)'"':
                    _inString = !_inString;
                    break;
                case (byte)'{' or (byte)'[' when !_inString:
                    _depth++;
                    break;
                case (byte)'}' or (byte)']' when !_inString:
                    _depth--;
                    break;
                case (byte)'\n' when _depth <= 0:
                    return _scanned;
            }
        }

        return -1;
    }

    private ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> line)
    {
        if (!_begun && line.StartsWith("\uFEFF"u8)) line = line[3..];
        _begun = true;
        line = line.TrimStart(" \t\r\n"u8);
        if (line.StartsWith("data:"u8)) line = line[5..].TrimStart((byte)' ');
        return line.TrimEnd(" \t\r\n"u8);
    }
}
