namespace GrpcLlm.Client.Json;

/// <summary>Characters that only grow, at constant cost each on average. Not thread-safe.</summary>
internal sealed class TextBuffer
{
    private const int SmallestSize = 16;

    private char[] _characters = [];
    private int _length;

    /// <summary>What was added. Stays as it is when more is added.</summary>
    public ReadOnlySpan<char> Span => _characters.AsSpan(0, _length);

    /// <summary>Adds one character.</summary>
    public void Add(char character)
    {
        if (_length == _characters.Length) Array.Resize(ref _characters, Math.Max(SmallestSize, _length * 2));
        _characters[_length++] = character;
    }

    /// <summary>A copy of what was added.</summary>
    public override string ToString() => Span.ToString();
}
