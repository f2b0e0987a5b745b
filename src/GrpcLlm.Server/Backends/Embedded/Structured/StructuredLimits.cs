namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>
/// Bounds of structured output. A schema beyond them is refused by name before anything is generated, so compiling one
/// takes milliseconds whatever it says.
/// </summary>
internal static class StructuredLimits
{
    /// <summary>Most bytes of UTF-8 of one schema; of a forced tool call, of all schemas together.</summary>
    public const int SchemaBytes = 64 * 1024;

    /// <summary>
    /// Most objects and arrays within each other in the output. Readers of JSON take at least 64 as they come.
    /// </summary>
    public const int Depth = 32;

    /// <summary>Most states of a compiled grammar.</summary>
    public const int States = 32_768;

    /// <summary>Most edges of a compiled grammar.</summary>
    public const int Edges = 8 * States;

    /// <summary>Most alternatives that one place of the output may have, through <c>anyOf</c> and references.</summary>
    public const int Alternatives = 64;

    /// <summary>Most comparisons that show that the branches of one <c>oneOf</c> exclude each other.</summary>
    public const int Comparisons = 65_536;

    /// <summary>Most characters of one <c>pattern</c>.</summary>
    public const int PatternLength = 512;

    /// <summary>Most states of the automaton of one <c>pattern</c>, its lengths included.</summary>
    public const int PatternStates = 1024;

    /// <summary>Most positions in one <c>pattern</c> with its repetitions written out.</summary>
    public const int PatternPositions = 2048;

    /// <summary>Most steps that all <c>pattern</c>s of a schema together may take.</summary>
    public const int PatternSteps = 4_000_000;

    /// <summary>Largest <c>multipleOf</c> of an integer.</summary>
    public const int MultipleOf = 100;

    /// <summary>
    /// Most properties that <c>minProperties</c> may demand: fewer than there are names of one ASCII character, on which
    /// the shortest completion counts.
    /// </summary>
    public const int MinProperties = 64;

    /// <summary>
    /// Most readings of the text so far that are followed at once. Beyond, those declared later are given up, which
    /// narrows what can be written and breaks nothing.
    /// </summary>
    public const int Readings = 256;

    /// <summary>Longest token that is drawn, in bytes.</summary>
    public const int TokenBytes = 255;

    /// <summary>Most digits of a number, so that a double holds it exactly enough to be compared.</summary>
    public const int Digits = 15;
}
