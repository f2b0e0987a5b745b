namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>
/// A text that knows of each of its stretches who wrote it: the template, or the author of a message. Immutable.
/// </summary>
internal sealed class MarkedText
{
    /// <summary>Author of what the template itself writes; messages count from 0.</summary>
    public const int Template = -1;

    private string? _text;

    private MarkedText(Part[] parts)
    {
        Parts = parts;
        foreach (Part part in parts) Length += part.Length;
    }

    /// <summary>No text.</summary>
    public static MarkedText Empty { get; } = new([]);

    /// <summary>The stretches in order; none is empty.</summary>
    public IReadOnlyList<Part> Parts { get; }

    /// <summary>Length in UTF-16 units.</summary>
    public int Length { get; }

    /// <summary>A text by one author.</summary>
    public static MarkedText Of(string text, int author = Template) =>
        text.Length == 0 ? Empty : new([new Part(text, 0, text.Length, author)]);

    /// <summary>Texts in a row.</summary>
    public static MarkedText Join(IEnumerable<MarkedText> texts) => new([.. texts.SelectMany(text => text.Parts)]);

    /// <summary>A stretch of it.</summary>
    public MarkedText Slice(int start, int length)
    {
        var parts = new List<Part>();
        int end = start + length;
        int place = 0;
        foreach (Part part in Parts)
        {
            int from = Math.Max(start, place);
            int to = Math.Min(end, place + part.Length);
            if (from < to) parts.Add(part with { Start = part.Start + from - place, Length = to - from });
            place += part.Length;
        }

        return new MarkedText([.. parts]);
    }

    /// <summary>Without some characters at its ends.</summary>
    /// <param name="isTrimmed">Which ones.</param>
    /// <param name="atStart">Whether its start is trimmed.</param>
    /// <param name="atEnd">Whether its end is trimmed.</param>
    public MarkedText Trim(Func<char, bool> isTrimmed, bool atStart = true, bool atEnd = true)
    {
        string text = ToString();
        int start = 0;
        int end = text.Length;
        while (atStart && start < end && isTrimmed(text[start])) start++;
        while (atEnd && end > start && isTrimmed(text[end - 1])) end--;
        return start == 0 && end == text.Length ? this : Slice(start, end - start);
    }

    /// <summary>Its pieces between separators; as many as there are separators, and one.</summary>
    /// <param name="separator">Not empty.</param>
    public IEnumerable<MarkedText> Split(string separator)
    {
        string text = ToString();
        int start = 0;
        for (int place; (place = text.IndexOf(separator, start, StringComparison.Ordinal)) >= 0; start = place + separator.Length)
            yield return Slice(start, place - start);
        yield return Slice(start, text.Length - start);
    }

    /// <summary>The text alone.</summary>
    public override string ToString() =>
        _text ??= string.Concat(Parts.Select(part => part.Source.Substring(part.Start, part.Length)));

    /// <summary>A stretch by one author.</summary>
    /// <param name="Source">Text that it is part of.</param>
    /// <param name="Start">Where it begins there.</param>
    /// <param name="Length">Its length.</param>
    /// <param name="Author">Index of the message; <see cref="Template"/> for none.</param>
    internal readonly record struct Part(string Source, int Start, int Length, int Author);
}
