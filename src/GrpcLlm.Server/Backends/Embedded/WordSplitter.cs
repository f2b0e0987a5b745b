using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Cuts a text into words, inside of which byte-level BPE joins: what <c>tokenizer.ggml.pre</c> names. Each is a list of
/// published patterns, of which one cuts what the one before it left; what no pattern takes is a word too, so the words
/// always make up the text. Stateless and thread-safe.
/// </summary>
/// <remarks>
/// The patterns are those of llama.cpp for these names. They speak of code points, but .NET's regular expressions see
/// UTF-16 units: a character outside the basic plane is stood in for by one inside it of the same category.
/// </remarks>
internal sealed partial class WordSplitter
{
    private const string Contractions = "'s|'t|'re|'ve|'m|'ll|'d";
    private const string AnyCaseContractions = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
    private const string Gpt2 = Contractions + @"| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";
    private const string WordsWithMark = AnyCaseContractions + @"|[^\r\n\p{L}\p{N}]?\p{L}+";
    private const string MarksAndSpace = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    // A word is found in time linear in its length, so no text needs a limit on time.
    private const int NoTimeout = Timeout.Infinite;

    private static readonly WordSplitter Llama3 = new(Llama3Words()) { TakesWholeWords = true, BeginsText = true };

    private static readonly Dictionary<string, WordSplitter> Known = new(StringComparer.Ordinal)
    {
        ["gpt-2"] = new(Gpt2Words()),
        ["llama-bpe"] = Llama3,
        ["llama3"] = Llama3,
        ["llama-v3"] = Llama3,
        ["falcon3"] = Llama3,
        ["qwen2"] = new(Qwen2Words()),
        ["smollm"] = new(Number(), Gpt2Words()),
        ["default"] = new(Punctuation(), Gpt2Words(), Numbers(), ThreeDigits()),
    };

    private static readonly char[] StandIns = FindStandIns();

    private readonly Regex[] _patterns;

    private WordSplitter(params Regex[] patterns) => _patterns = patterns;

    /// <summary>Whether a word that is a token is that token, however merges would make it up.</summary>
    public bool TakesWholeWords { get; private init; }

    /// <summary>Whether a prompt begins with the beginning of text unless the file says otherwise.</summary>
    public bool BeginsText { get; private init; }

    /// <summary>The names, for messages.</summary>
    public static string Names => string.Join(", ", Known.Keys.Order(StringComparer.Ordinal));

    /// <summary>The splitter of a name in <c>tokenizer.ggml.pre</c>; null if it is not known.</summary>
    public static WordSplitter? Find(string name) => Known.GetValueOrDefault(name);

    /// <summary>Lengths of the words in UTF-16 units, in order; their sum is the length of the text.</summary>
    public List<int> Split(string text)
    {
        var lengths = new List<int>();
        if (text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0)
        {
            Split(text, 0, lengths);
            return lengths;
        }

        Split(InBasicPlane(text), 0, lengths);
        for (int word = 0, place = 0; word < lengths.Count; word++)
        {
            int start = place;
            for (int i = 0; i < lengths[word]; i++) place += IsPairAt(text, place) ? 2 : 1;
            lengths[word] = place - start;
        }

        return lengths;
    }

    private void Split(ReadOnlySpan<char> text, int pattern, List<int> lengths)
    {
        if (text.IsEmpty) return;
        if (pattern == _patterns.Length)
        {
            lengths.Add(text.Length);
            return;
        }

        int end = 0;
        foreach (ValueMatch match in _patterns[pattern].EnumerateMatches(text))
        {
            Split(text[end..match.Index], pattern + 1, lengths);
            end = match.Index + match.Length;
            Split(text[match.Index..end], pattern + 1, lengths);
        }

        Split(text[end..], pattern + 1, lengths);
    }

    private static bool IsPairAt(string text, int place) =>
        char.IsHighSurrogate(text[place]) && place + 1 < text.Length && char.IsLowSurrogate(text[place + 1]);

    // One unit for each code point; a lone surrogate counts as U+FFFD, which it is encoded as.
    private static string InBasicPlane(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
            result.Append(rune.IsBmp ? (char)rune.Value : StandIns[(int)Rune.GetUnicodeCategory(rune)]);
        return result.ToString();
    }

    // The first character of each category beyond ASCII, which the patterns name nothing of; no white space is out there.
    private static char[] FindStandIns()
    {
        var standIns = new char[Enum.GetValues<UnicodeCategory>().Length];
        for (char character = '\uFFFF'; character > '\u0085'; character--)
            standIns[(int)char.GetUnicodeCategory(character)] = character;
        return standIns;
    }

    [GeneratedRegex(Gpt2, RegexOptions.CultureInvariant, NoTimeout)]
    private static partial Regex Gpt2Words();

    [GeneratedRegex(WordsWithMark + @"|\p{N}{1,3}" + MarksAndSpace, RegexOptions.CultureInvariant, NoTimeout)]
    private static partial Regex Llama3Words();

    [GeneratedRegex(WordsWithMark + @"|\p{N}" + MarksAndSpace, RegexOptions.CultureInvariant, NoTimeout)]
    private static partial Regex Qwen2Words();

    [GeneratedRegex(@"\p{N}", RegexOptions.CultureInvariant, NoTimeout)]
    private static partial Regex Number();

    [GeneratedRegex(@"\p{N}+", RegexOptions.CultureInvariant, NoTimeout)]
    private static partial Regex Numbers();

    [GeneratedRegex(@"[\p{P}\$\+<=>\^~\|]+", RegexOptions.CultureInvariant, NoTimeout)]
    private static partial Regex Punctuation();

    [GeneratedRegex("[0-9][0-9][0-9]", RegexOptions.CultureInvariant, NoTimeout)]
    private static partial Regex ThreeDigits();
}
