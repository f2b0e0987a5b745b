namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>
/// The text that the simulator cycles through, token by token. A token is a word with the space before it, or a
/// punctuation mark; the same rule counts input.
/// </summary>
internal static class SimulatorText
{
    private const string Passage =
        " The tide keeps a ledger of its own. Every morning it enters the harbour, counts the boats, and leaves a line"
        + " of foam where the page ends. The harbour master keeps another: names, weights, the hour of each departure,"
        + " in a round hand that has not changed for thirty years. At night the two ledgers lie side by side, one on the"
        + " desk and one on the sand, and they seldom agree. A boat that the book calls safe at anchor has gone out with"
        + " the ebb; a boat that the sand remembers was never built. Nobody minds. The fishermen ask the water when to"
        + " sail and the book what they owe, and so each account is right about something. When the old man retires, the"
        + " young one who takes the pen will look for a week at the foam before he dares to write a word.";

    /// <summary>The tokens of the passage, as the events that carry them.</summary>
    public static IReadOnlyList<BackendEvent> Tokens { get; } = [.. Split(Passage).Select(static token => BackendEvent.TextDelta(token))];

    /// <summary>Number of tokens of a text.</summary>
    public static uint Count(string text)
    {
        uint count = 0;
        for (var index = 0; index < text.Length; index++)
        {
            if (StartsToken(text, index)) count++;
        }

        return count;
    }

    private static IEnumerable<string> Split(string text)
    {
        var start = 0;
        for (var index = 1; index < text.Length; index++)
        {
            if (!StartsToken(text, index)) continue;
            yield return text[start..index];
            start = index;
        }

        yield return text[start..];
    }

    private static bool StartsToken(string text, int index) =>
        index == 0 || text[index] == ' ' || char.IsPunctuation(text[index])
        || (char.IsPunctuation(text[index - 1]) && text[index] != ' ');
}
