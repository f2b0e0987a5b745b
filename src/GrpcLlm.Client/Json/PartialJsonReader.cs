using System.Text.Json;

namespace GrpcLlm.Client.Json;

/// <summary>
/// Turns a JSON text that is still being written (structured output, arguments of a tool call) into the best valid value
/// so far, at every chunk, however the text is cut.
/// </summary>
/// <remarks>
/// <para>
/// Each character is looked at once, so reading costs time and memory in proportion to the text, however many chunks it
/// comes in. <see cref="Value"/> is a live view that costs nothing to look at; <see cref="PartialJsonValue.ToElement"/>
/// and <see cref="PartialJsonValue.ToString"/> make a document of it and cost its length each time.
/// </para>
/// <para>
/// Open strings, arrays and objects are shown as far as they came. Left out until they are complete: numbers and literals
/// (the 12 of an unfinished 123 would be a wrong value, not a part of it), property names, escapes and surrogate pairs.
/// A property is shown once its value is.
/// </para>
/// <para>
/// The grammar is RFC 8259's as System.Text.Json reads it by default: no comments, no trailing commas, repeated names are
/// kept. One difference: half a surrogate pair, escaped or not, is a fault, since no UTF-8 text can hold it. A fault does
/// not disturb the value: what was shown stays, the rest is ignored, and <see cref="Complete"/> throws.
/// </para>
/// <para>Not thread-safe.</para>
/// </remarks>
public sealed class PartialJsonReader
{
    /// <summary>Levels of nesting that are allowed by default, as in System.Text.Json.</summary>
    public const int DefaultMaxDepth = 64;

    /// <summary>Most levels that can be allowed; deeper ones would endanger the stack.</summary>
    internal const int DeepestNesting = 1000;

    private readonly int _maxDepth;
    private readonly Stack<PartialJsonValue> _open = new();
    private readonly JsonStringScanner _string = new();
    private readonly JsonNumberScanner _number = new();
    private State _state = State.Value;
    private TextBuffer _name = new();
    private PartialJsonValue? _scanned;
    private string _literal = "";
    private int _literalLength;
    private long _position;
    private MalformedJsonException? _fault;

    /// <summary>Makes a reader for one text.</summary>
    /// <param name="maxDepth">Levels of nested arrays and objects that are allowed, 1 to 1,000.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxDepth"/> is out of its range.</exception>
    public PartialJsonReader(int maxDepth = DefaultMaxDepth)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxDepth, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxDepth, DeepestNesting);
        _maxDepth = maxDepth;
    }

    private enum State
    {
        Value,
        FirstItem,
        FirstName,
        Name,
        InName,
        Colon,
        InString,
        InNumber,
        InLiteral,
        Next,
        End,
    }

    /// <summary>The value so far; null while there is nothing to show. Grows with the text.</summary>
    public PartialJsonValue? Value { get; private set; }

    /// <summary>The first thing that is wrong with the text; null as long as it is the beginning of a valid document.</summary>
    public MalformedJsonException? Fault => _fault;

    /// <summary>
    /// Whether the text is a whole document. A bare number is one only after white space or <see cref="Complete"/>.
    /// </summary>
    public bool IsComplete => _state == State.End && _fault is null;

    /// <summary>Characters looked at, those that ended a number and were looked at again included.</summary>
    internal long Steps { get; private set; }

    /// <summary>Reads on. Does not throw for what the text holds, see <see cref="Fault"/>.</summary>
    /// <param name="chunk">The next characters, cut anywhere, also inside a surrogate pair. May be empty.</param>
    /// <returns>This reader.</returns>
    public PartialJsonReader Append(ReadOnlySpan<char> chunk)
    {
        foreach (var character in chunk)
        {
            if (_fault is not null) break;
            if (!Take(character)) Fail(isUnfinished: false);
            else _position++;
        }

        return this;
    }

    /// <summary>Ends the text. Repeating it is no error.</summary>
    /// <returns>The value of the whole text. Cost: its length.</returns>
    /// <exception cref="MalformedJsonException">The text is not one valid JSON document.</exception>
    public JsonElement Complete()
    {
        if (_fault is null && _state == State.InNumber && _number.CanEnd && _open.Count == 0) Finish(_scanned!);
        if (_fault is null && _state != State.End) Fail(isUnfinished: true);
        return _fault is null ? Value!.ToElement() : throw _fault;
    }

    /// <summary>Takes one character; false if it cannot stand here.</summary>
    private bool Take(char character)
    {
        Steps++;
        switch (_state)
        {
            case State.InString:
                return TakeString(character, State.Next);
            case State.InName:
                return TakeString(character, State.Colon);
            case State.InNumber:
                return TakeNumber(character);
            case State.InLiteral:
                return TakeLiteral(character);
        }

        if (character is ' ' or '\t' or '\n' or '\r') return true;
        return _state switch
        {
            State.Value => BeginValue(character),
            State.FirstItem => character == ']' ? Close(JsonValueKind.Array) : BeginValue(character),
            State.FirstName => character == '}' ? Close(JsonValueKind.Object) : BeginName(character),
            State.Name => BeginName(character),
            State.Colon => character == ':' && GoTo(State.Value),
            State.Next => character switch
            {
                ',' => GoTo(_open.Peek().Kind == JsonValueKind.Array ? State.Value : State.Name),
                ']' => Close(JsonValueKind.Array),
                '}' => Close(JsonValueKind.Object),
                _ => false,
            },
            _ => false,
        };
    }

    private bool BeginValue(char first)
    {
        switch (first)
        {
            case '{':
                return Open(JsonValueKind.Object, State.FirstName);
            case '[':
                return Open(JsonValueKind.Array, State.FirstItem);
            case '"':
                _scanned = Show(new PartialJsonValue(JsonValueKind.String));
                _string.Begin(_scanned.Buffer);
                return GoTo(State.InString);
            case '-' or (>= '0' and <= '9'):
                _scanned = new PartialJsonValue(JsonValueKind.Number);
                _number.Begin(_scanned.Buffer, first);
                return GoTo(State.InNumber);
            case 't' or 'f' or 'n':
                _scanned = new PartialJsonValue(first switch { 't' => JsonValueKind.True, 'f' => JsonValueKind.False, _ => JsonValueKind.Null });
                _literal = first switch { 't' => "true", 'f' => "false", _ => "null" };
                _literalLength = 1;
                return GoTo(State.InLiteral);
            default:
                return false;
        }
    }

    private bool BeginName(char first)
    {
        if (first != '"') return false;
        _name = new TextBuffer();
        _string.Begin(_name);
        return GoTo(State.InName);
    }

    private bool TakeString(char character, State after)
    {
        var step = _string.Add(character);
        if (step != ScanStep.End) return step == ScanStep.More;
        if (after == State.Colon) return GoTo(after);
        _scanned!.IsComplete = true;
        return Ended();
    }

    private bool TakeNumber(char character)
    {
        var step = _number.Add(character);
        if (step != ScanStep.End) return step == ScanStep.More;
        Finish(_scanned!);
        return Take(character);
    }

    private bool TakeLiteral(char character)
    {
        if (character != _literal[_literalLength]) return false;
        if (++_literalLength == _literal.Length) Finish(_scanned!);
        return true;
    }

    /// <summary>Shows a value that could not be shown in part.</summary>
    private void Finish(PartialJsonValue value)
    {
        value.IsComplete = true;
        Show(value);
        Ended();
    }

    private PartialJsonValue Show(PartialJsonValue value)
    {
        if (!_open.TryPeek(out var parent)) Value = value;
        else if (parent.Kind == JsonValueKind.Array) parent.Add(value);
        else parent.Add(_name.ToString(), value);
        return value;
    }

    private bool Open(JsonValueKind kind, State next)
    {
        if (_open.Count == _maxDepth) return false;
        _open.Push(Show(new PartialJsonValue(kind)));
        return GoTo(next);
    }

    private bool Close(JsonValueKind kind)
    {
        if (_open.Peek().Kind != kind) return false;
        _open.Pop().IsComplete = true;
        return Ended();
    }

    /// <summary>A value has ended: what may follow depends on where it stands.</summary>
    private bool Ended() => GoTo(_open.Count == 0 ? State.End : State.Next);

    private bool GoTo(State state)
    {
        _state = state;
        return true;
    }

    private void Fail(bool isUnfinished) => _fault = new MalformedJsonException(Expected(), _position, isUnfinished);

    private string Expected() => _state switch
    {
        State.Value or State.FirstItem when _open.Count == _maxDepth => $"a value of no more than {_maxDepth} levels",
        State.Value => "a value",
        State.FirstItem => "a value or ']'",
        State.FirstName => "a property name or '}'",
        State.Name => "a property name",
        State.Colon => "':'",
        State.InName or State.InString => _string.Expected,
        State.InNumber => _number.CanEnd ? "the rest of the number or what follows it" : "a digit",
        State.InLiteral => $"the rest of '{_literal}'",
        State.Next => _open.Peek().Kind == JsonValueKind.Array ? "',' or ']'" : "',' or '}'",
        _ => "nothing but white space",
    };
}
