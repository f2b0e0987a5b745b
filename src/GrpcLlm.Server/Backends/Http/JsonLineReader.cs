namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// Reads a body of one JSON document a line. Skips blank lines, a byte order mark, and the <c>data:</c> that some servers
/// put in front all the same. Not thread-safe.
/// </summary>
/// <param name="body">The body.</param>
/// <param name="spansLines">Whether a document may span lines: it then ends with the line on which its braces close.</param>
internal sealed class JsonLineReader(Stream body, bool spansLines)
{
    // Grows where a document is longer, which few are; a stream that waits holds it.
    private byte[] _buffer = new byte[1024];
    private int _start;
    private int _end;
    private bool _ended;
    private bool _begun;
    private int _scanned;
    private int _depth;
    private bool _inString;

    /// <summary>Takes one document.</summary>
    public delegate void DocumentHandler(ReadOnlySpan<byte> document);

    /// <summary>Reads the next document that is not blank.</summary>
    /// <returns>False at the end.</returns>
    public async ValueTask<bool> ReadAsync(DocumentHandler handle)
    {
        while (true)
        {
            var length = FindEnd();
            if (length < 0 && !_ended)
            {
                await FillAsync();
                continue;
            }

            var last = length < 0;
            if (last) length = _end - _start;
            var at = _start;
            _start += last ? length : length + 1;
            _scanned = _depth = 0;
            _inString = false;
            if (TryTrim(_buffer.AsSpan(at, length), out var skipped, out var kept))
            {
                handle(_buffer.AsSpan(at + skipped, kept));
                return true;
            }

            if (last) return false;
        }
    }

    /// <summary>Bytes up to the line feed that ends the next document; -1 if it has not come.</summary>
    private int FindEnd()
    {
        var rest = _buffer.AsSpan(_start, _end - _start);
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

    private async ValueTask FillAsync()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }

        if (_end == _buffer.Length) Array.Resize(ref _buffer, _buffer.Length * 2);
        var read = await body.ReadAsync(_buffer.AsMemory(_end));
        _ended = read == 0;
        _end += read;
    }

    private bool TryTrim(ReadOnlySpan<byte> line, out int skipped, out int kept)
    {
        var rest = line;
        if (!_begun && rest.StartsWith("\uFEFF"u8)) rest = rest[3..];
        _begun = true;
        rest = rest.TrimStart(" \t\r\n"u8);
        if (rest.StartsWith("data:"u8)) rest = rest[5..].TrimStart((byte)' ');
        skipped = line.Length - rest.Length;
        kept = rest.TrimEnd(" \t\r\n"u8).Length;
        return kept > 0;
    }
}
