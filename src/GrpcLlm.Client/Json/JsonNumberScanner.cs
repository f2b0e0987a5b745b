namespace GrpcLlm.Client.Json;

/// <summary>
/// Reads one JSON number after another, character by character. A number has no end of its own: what follows ends it.
/// Not thread-safe.
/// </summary>
internal sealed class JsonNumberScanner
{
    private TextBuffer _target = new();
    private State _state;

    private enum State
    {
        Start,
        Minus,
        Zero,
        Integer,
        Point,
        Fraction,
        ExponentMark,
        ExponentSign,
        Exponent,
    }

    /// <summary>Whether what came so far is a number by itself.</summary>
    public bool CanEnd => _state is State.Zero or State.Integer or State.Fraction or State.Exponent;

    /// <summary>Begins a number.</summary>
    /// <param name="target">Where its characters go.</param>
    /// <param name="first">A minus or a digit.</param>
    public void Begin(TextBuffer target, char first)
    {
        _target = target;
        _state = State.Start;
        Add(first);
    }

    /// <summary>Takes the next character. <see cref="ScanStep.End"/>: it follows the number and is not part of it.</summary>
    public ScanStep Add(char character)
    {
        if (Next(character) is { } state)
        {
            _state = state;
            _target.Add(character);
            return ScanStep.More;
        }

        // A digit after a leading zero cannot stand there; whatever else may is judged by who reads on.
        return CanEnd && !char.IsAsciiDigit(character) ? ScanStep.End : ScanStep.Fault;
    }

    private State? Next(char character) => (_state, character) switch
    {
        (State.Start, '-') => State.Minus,
        (State.Start or State.Minus, '0') => State.Zero,
        (State.Start or State.Minus or State.Integer, >= '0' and <= '9') => State.Integer,
        (State.Zero or State.Integer, '.') => State.Point,
        (State.Point or State.Fraction, >= '0' and <= '9') => State.Fraction,
        (State.Zero or State.Integer or State.Fraction, 'e' or 'E') => State.ExponentMark,
        (State.ExponentMark, '+' or '-') => State.ExponentSign,
        (State.ExponentMark or State.ExponentSign or State.Exponent, >= '0' and <= '9') => State.Exponent,
        _ => null,
    };
}
