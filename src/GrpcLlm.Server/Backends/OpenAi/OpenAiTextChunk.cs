using System.Buffers;
using System.Text;
using System.Text.Json;
using GrpcLlm.Server.Backends.Http;

namespace GrpcLlm.Server.Backends.OpenAi;

/// <summary>
/// Reads the ordinary chunk without making a document of it: one choice, whose delta holds text and nothing else. Nearly
/// all chunks of an answer are of that kind and differ in their text only, so what stands around the text is kept as a
/// frame: a chunk in the same frame, whose text needs no unescaping, is the same JSON with another text in it. Any other
/// chunk is refused, and <see cref="OpenAiStream"/> reads it the general way, with the same result. Not thread-safe.
/// </summary>
internal sealed class OpenAiTextChunk
{
    // A stream keeps no more than this; frames of providers have some 200 bytes.
    private const int MaxFrameBytes = 2048;

    // What ends a JSON string, begins an escape in it, or may not stand in it (RFC 8259, section 7).
    private static readonly SearchValues<byte> NotPlain =
        SearchValues.Create([.. Enumerable.Range(0, 0x20).Select(static value => (byte)value), (byte)'"', (byte)'\\']);

    private byte[] _frame = [];
    private int _head;
    private int _length;

    /// <summary>The answer's id; the last that was told.</summary>
    public string Id { get; set; } = "";

    /// <summary>The model's name; the last that was told.</summary>
    public string Model { get; set; } = "";

    /// <summary>The text of an ordinary chunk; null for any other, of which nothing was noted then.</summary>
    /// <param name="data">One JSON document, without white space around it.</param>
    public string? Read(ReadOnlySpan<byte> data)
    {
        var extent = data.Length - _length;
        if (_length > 0 && extent >= 0 && data.StartsWith(_frame.AsSpan(0, _head))
            && data.EndsWith(_frame.AsSpan(_head, _length - _head)))
        {
            var text = data.Slice(_head, extent);
            if (!text.ContainsAny(NotPlain)) return Encoding.UTF8.GetString(text);
        }

        return Parse(data);
    }

    private string? Parse(ReadOnlySpan<byte> data)
    {
        var chunk = new Reader(data);
        try
        {
            if (!chunk.TryRead()) return null;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // No JSON, or a name with half a surrogate pair. The general way says what is wrong, and whether it matters.
            return null;
        }

        var id = chunk.Id;
        var model = chunk.Model;
        if (!id.IsEmpty) Id = Keep(id, Id);
        if (!model.IsEmpty) Model = Keep(model, Model);
        KeepFrame(data, chunk.TextStart, chunk.TextLength);
        return JsonText.Decode(data.Slice(chunk.TextStart, chunk.TextLength));
    }

    private static string Keep(ReadOnlySpan<byte> raw, string known)
    {
        // The same in every chunk, as a rule.
        var isKnown = raw.Length == known.Length && Ascii.Equals(raw, known);
        return isKnown ? known : JsonText.Decode(raw);
    }

    private void KeepFrame(ReadOnlySpan<byte> data, int textStart, int textLength)
    {
        _length = 0;
        var length = data.Length - textLength;
        if (length > MaxFrameBytes) return;
        if (_frame.Length < length) _frame = new byte[length];
        data[..textStart].CopyTo(_frame);
        data[(textStart + textLength)..].CopyTo(_frame.AsSpan(textStart));
        (_head, _length) = (textStart, length);
    }

    /// <summary>One pass over a document, which stops at whatever is not ordinary.</summary>
    private ref struct Reader(ReadOnlySpan<byte> data)
    {
        private readonly ReadOnlySpan<byte> _data = data;
        private Utf8JsonReader _json = new(data);
        private bool _hasChoice;
        private bool _hasDelta;

        /// <summary>Where the text begins, behind its quote; 0: there is none.</summary>
        public int TextStart { get; private set; }

        /// <summary>Bytes of the text, still escaped.</summary>
        public int TextLength { get; private set; }

        /// <summary>The id, still escaped; empty if it is not told.</summary>
        public ReadOnlySpan<byte> Id { get; private set; }

        /// <summary>The model, still escaped; empty if it is not told.</summary>
        public ReadOnlySpan<byte> Model { get; private set; }

        public bool TryRead()
        {
            if (!_json.Read() || _json.TokenType != JsonTokenType.StartObject) return false;
            while (_json.Read() && _json.TokenType == JsonTokenType.PropertyName)
            {
                if (!TryReadRoot()) return false;
            }

            // Behind the document the general way reads nothing, whatever it is.
            return TextStart > 0 && _json.BytesConsumed == _data.Length;
        }

        private bool TryReadRoot()
        {
            if (_json.ValueTextEquals("choices"u8)) return TryReadChoices();
            if (_json.ValueTextEquals("error"u8) || _json.ValueTextEquals("usage"u8) || _json.ValueTextEquals("x_groq"u8))
                return IsNull();
            var isId = _json.ValueTextEquals("id"u8);
            if (!isId && !_json.ValueTextEquals("model"u8)) return Skip();

            // Of a name that comes twice the last counts, whatever it is.
            if (!_json.Read() || !(isId ? Id : Model).IsEmpty) return false;
            if (_json.TokenType != JsonTokenType.String) return _json.TokenType == JsonTokenType.Null;
            if (isId) Id = _json.ValueSpan;
            else Model = _json.ValueSpan;
            return true;
        }

        private bool TryReadChoices()
        {
            if (_hasChoice || !_json.Read() || _json.TokenType != JsonTokenType.StartArray) return false;
            _hasChoice = true;
            if (!_json.Read() || _json.TokenType != JsonTokenType.StartObject) return false;
            while (_json.Read() && _json.TokenType == JsonTokenType.PropertyName)
            {
                if (!TryReadChoice()) return false;
            }

            return _hasDelta && _json.Read() && _json.TokenType == JsonTokenType.EndArray;
        }

        private bool TryReadChoice()
        {
            if (_json.ValueTextEquals("delta"u8)) return TryReadDelta();
            if (_json.ValueTextEquals("index"u8)) return _json.Read() && _json.TokenType == JsonTokenType.Number && _json.ValueSpan.SequenceEqual("0"u8);
            return _json.ValueTextEquals("finish_reason"u8) || _json.ValueTextEquals("usage"u8) ? IsNull() : Skip();
        }

        private bool TryReadDelta()
        {
            if (_hasDelta || !_json.Read() || _json.TokenType != JsonTokenType.StartObject) return false;
            _hasDelta = true;
            while (_json.Read() && _json.TokenType == JsonTokenType.PropertyName)
            {
                if (_json.ValueTextEquals("content"u8))
                {
                    if (TextStart > 0 || !_json.Read() || _json.TokenType != JsonTokenType.String) return false;
                    TextStart = (int)_json.TokenStartIndex + 1;
                    TextLength = _json.ValueSpan.Length;
                }
                else if (_json.ValueTextEquals("role"u8))
                {
                    if (!Skip()) return false;
                }
                else if (!IsNull())
                {
                    // Reasoning, a refusal, a tool call, or something new.
                    return false;
                }
            }

            return TextStart > 0;
        }

        private bool IsNull() => _json.Read() && _json.TokenType == JsonTokenType.Null;

        private bool Skip()
        {
            _json.Skip();
            return true;
        }
    }
}
