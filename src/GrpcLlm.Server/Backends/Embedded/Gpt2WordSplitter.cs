using System.Globalization;
using System.Text;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Cuts text into words as GPT-2 does, by the pattern
/// <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>, on code points: .NET's own
/// regular expressions see UTF-16 units and would take a letter outside the basic plane for two symbols.
/// </summary>
internal static class Gpt2WordSplitter
{
    private enum Category
    {
        Letter,
        Number,
        Space,
        Other,
    }

    /// <summary>Length of the first word in UTF-16 units.</summary>
    /// <param name="text">What is left of the text; not empty.</param>
    public static int FirstWord(ReadOnlySpan<char> text)
    {
        int contraction = Contraction(text);
        if (contraction > 0) return contraction;

        int start = text is [' ', _, ..] ? 1 : 0;
        Category category = CategoryAt(text, start, out _);
        if (category != Category.Space) return start + RunLength(text[start..], category);

        // White space up to the last character before a word, which belongs to the word if it is a space.
        int length = RunLength(text, Category.Space);
        return length < text.Length && length > 1 ? length - 1 : length;
    }

    private static int Contraction(ReadOnlySpan<char> text) =>
        text switch
        {
            ['\'', 's' or 't' or 'm' or 'd', ..] => 2,
            ['\'', 'r' or 'v', 'e', ..] or ['\'', 'l', 'l', ..] => 3,
            _ => 0,
        };

    private static int RunLength(ReadOnlySpan<char> text, Category category)
    {
        int length = 0;
        while (length < text.Length && CategoryAt(text, length, out int units) == category) length += units;
        return length;
    }

    private static Category CategoryAt(ReadOnlySpan<char> text, int index, out int units)
    {
        Rune.DecodeFromUtf16(text[index..], out Rune rune, out units);
        if (Rune.IsWhiteSpace(rune)) return Category.Space;
        return Rune.GetUnicodeCategory(rune) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter or
                UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Category.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or
                UnicodeCategory.OtherNumber => Category.Number,
            _ => Category.Other,
        };
    }
}
