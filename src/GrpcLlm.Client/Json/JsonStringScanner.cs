namespace GrpcLlm.Client.Json;

/// <summary>
/// Reads the inside of one JSON string after another, character by character. What belongs together comes together: an
/// escape when its last character is there, a surrogate pair when its second half is. Not thread-safe.
/// </summary>
internal sealed class JsonStringScanner
{
    private const int HexDigits = 4;

    private TextBuffer _target = new();
    private State _state;
    private int _hexDigits;
    private int _hexValue;
    private char _highSurrogate;

    private enum State
    {
        Plain,
        Escape,
        Hex,

        // The first half of a pair came as a character: the second must, too.
        LowSurrogate,

        // The first half of a pair came as an escape: the second must, too.
        LowSurrogateEscape,
        LowSurrogateLetter,
    }

    /// <summary>What the grammar wants next.</summary>
    public string Expected => _state switch
    {
        State.Escape => "one of \" \\ / b f n r t u after a backslash",
        State.Hex when _highSurrogate == 0 => "a hexadecimal digit",
        State.Plain => "a closing quotation mark, or a character that needs no escape,",
        _ => "the second half of a surrogate pair",
    };

    /// <summary>Begins a string, after its opening quotation mark.</summary>
    /// <param name="target">Where its characters go.</param>
    public void Begin(TextBuffer target)
    {
        _target = target;
        _state = State.Plain;
    }

    /// <summary>Takes the next character, the closing quotation mark included.</summary>
    public ScanStep Add(char character) => _state switch
    {
        State.Plain => AddPlain(character),
        State.Escape => AddEscaped(character),
        State.Hex => AddHexDigit(character),
        State.LowSurrogate => char.IsLowSurrogate(character) ? Emit(character) : ScanStep.Fault,
        State.LowSurrogateEscape => character == '\\' ? GoTo(State.LowSurrogateLetter) : ScanStep.Fault,
        _ => character == 'u' ? BeginHex() : ScanStep.Fault,
    };

    private ScanStep AddPlain(char character)
    {
        if (character == '"') return ScanStep.End;
        if (character == '\\') return GoTo(State.Escape);
        if (character < ' ' || char.IsLowSurrogate(character)) return ScanStep.Fault;
        if (!char.IsHighSurrogate(character)) return Emit(character);
        _highSurrogate = character;
        return GoTo(State.LowSurrogate);
    }

    private ScanStep AddEscaped(char character) => character switch
    {
        '"' or '\\' or '/' => Emit(character),
        'b' => Emit('\b'),
        'f' => Emit('\f'),
        'n' => Emit('\n'),
        'r' => Emit('\r'),
        't' => Emit('\t'),
        'u' => BeginHex(),
        _ => ScanStep.Fault,
    };

    private ScanStep BeginHex()
    {
        _hexDigits = 0;
        _hexValue = 0;
        return GoTo(State.Hex);
    }

    private ScanStep AddHexDigit(char digit)
    {
        if (!char.IsAsciiHexDigit(digit)) return ScanStep.Fault;
        var value = (_hexValue << 4) | Convert.ToInt32(digit.ToString(), 16);
        if (_hexDigits + 1 == HexDigits) return AddUnit((char)value);
        _hexValue = value;
        _hexDigits++;
        return ScanStep.More;
    }

    /// <summary>Takes what a whole <c>\uXXXX</c> stands for.</summary>
    private ScanStep AddUnit(char unit)
    {
        var completesPair = _highSurrogate != 0;
        if (char.IsLowSurrogate(unit) != completesPair) return ScanStep.Fault;
        if (!char.IsHighSurrogate(unit)) return Emit(unit);
        _highSurrogate = unit;
        return GoTo(State.LowSurrogateEscape);
    }

    private ScanStep Emit(char character)
    {
        if (_highSurrogate != 0) _target.Add(_highSurrogate);
        _highSurrogate = default;
        _target.Add(character);
        return GoTo(State.Plain);
    }

    private ScanStep GoTo(State state)
    {
        _state = state;
        return ScanStep.More;
    }
}
