using System.Text.Json;

namespace GrpcLlm.Client.Json;

/// <summary>
/// A text is not one valid JSON document. The message tells what was expected and where, never what the text holds.
/// </summary>
public sealed class MalformedJsonException : JsonException
{
    /// <summary>Makes a failure.</summary>
    /// <param name="expected">What the grammar wants at that place, such as "a value".</param>
    /// <param name="position">Where it is missing.</param>
    /// <param name="isUnfinished">Whether the text just ends there.</param>
    internal MalformedJsonException(string expected, long position, bool isUnfinished)
        : base(isUnfinished
            ? $"The JSON text ends at position {position}, where {expected} is missing."
            : $"The JSON text is not valid at position {position}: {expected} is expected.")
    {
        Position = position;
        IsUnfinished = isUnfinished;
    }

    /// <summary>
    /// Number of UTF-16 characters before the first one that cannot stand there; the length of the text if it just ends.
    /// </summary>
    public long Position { get; }

    /// <summary>Whether the text is the beginning of a valid document and ends too early.</summary>
    public bool IsUnfinished { get; }
}
