using System.Text;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>
/// Turns the bytes of a forced tool call into the events of one. Of a single tool they are its arguments; of several,
/// <c>{"name":"…","arguments":{…}}</c>, of which the tokens before the arguments are counted when the name is told. Not
/// thread-safe.
/// </summary>
/// <param name="vocabulary">The model's tokens.</param>
/// <param name="tools">The tools of which one is called.</param>
internal sealed class ToolCallWriter(Vocabulary vocabulary, IReadOnlyList<Tool> tools)
{
    private const string Key = "0";

    private readonly ToolCallTracker _tracker = new();
    private readonly Utf8Assembler _text = new(vocabulary);
    private readonly StringBuilder _envelope = new();
    private bool _hasBegun;

    /// <summary>Takes the next token.</summary>
    /// <param name="token">The token.</param>
    /// <param name="isLast">Whether the call is complete with it.</param>
    /// <returns>One or two events; the first counts the token.</returns>
    public IEnumerable<BackendEvent> Append(int token, bool isLast)
    {
        ReadOnlySpan<byte> bytes = vocabulary.PrintedBytesOf(token);
        bool isWrapped = tools.Count > 1;
        if (isWrapped && !_hasBegun)
        {
            // Names hold no braces, so the second one begins the arguments.
            int second = _envelope.Length > 0 ? bytes.IndexOf((byte)'{') : SecondBrace(bytes);
            _envelope.Append(Encoding.UTF8.GetString(second < 0 ? bytes : bytes[..second]));
            if (second < 0) return [BackendEvent.TextDelta("")];
            bytes = bytes[second..];
        }

        if (isWrapped && isLast) bytes = bytes[..^1];
        string fragment = _text.Append(bytes);
        BackendEvent piece = _hasBegun
            ? _tracker.Append(Key, fragment) ?? BackendEvent.TextDelta("")
            : _tracker.Begin(Key, "", isWrapped ? NameIn(_envelope.ToString()) : tools[0].Name, 0, fragment);
        _hasBegun = true;
        return isLast ? [piece, _tracker.End(Key)] : [piece];
    }

    /// <summary>What is left of a call that was cut off inside a character; null for nothing.</summary>
    public BackendEvent? Flush() =>
        _hasBegun && _text.Flush() is { Length: > 0 } rest
            ? BackendEvent.ToolCallPiece(new ToolCallDelta { ArgumentsFragment = rest }, tokenCount: 0)
            : null;

    private static int SecondBrace(ReadOnlySpan<byte> bytes)
    {
        int second = bytes[1..].IndexOf((byte)'{');
        return second < 0 ? second : second + 1;
    }

    // {"name":"…", with or without a space.
    private static string NameIn(string envelope) => envelope.Split('"')[3];
}
