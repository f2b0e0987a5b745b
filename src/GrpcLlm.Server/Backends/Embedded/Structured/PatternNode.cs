namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>A piece of a regular expression.</summary>
internal abstract record PatternNode
{
    /// <summary>One character of some ranges of code points.</summary>
    public sealed record Characters(IReadOnlyList<(int Low, int High)> Ranges) : PatternNode;

    /// <summary>One after the other; none is the empty text.</summary>
    public sealed record Sequence(IReadOnlyList<PatternNode> Parts) : PatternNode;

    /// <summary>One of several.</summary>
    public sealed record Choice(IReadOnlyList<PatternNode> Parts) : PatternNode;

    /// <summary>So many times; <see cref="int.MaxValue"/> is no limit.</summary>
    public sealed record Repeat(PatternNode Part, int Min, int Max) : PatternNode;
}

/// <summary>A pattern that cannot be honoured; the message says why, after its path.</summary>
internal sealed class PatternException(string message) : Exception(message);
