namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>What a template makes of a conversation: a text, and which stretches of it the template wrote. Immutable.</summary>
internal sealed class ChatPrompt
{
    // Starts and ends of the template's stretches, by turns and ascending; neighbours are one.
    private readonly List<int> _bounds = [];
    private readonly HashSet<int> _authors = [];

    public ChatPrompt(MarkedText text)
    {
        Text = text.ToString();
        int place = 0;
        foreach (MarkedText.Part part in text.Parts)
        {
            _authors.Add(part.Author);
            int end = place + part.Length;
            if (part.Author == MarkedText.Template)
            {
                if (_bounds.Count > 0 && _bounds[^1] == place) _bounds[^1] = end;
                else _bounds.AddRange([place, end]);
            }

            place = end;
        }
    }

    /// <summary>The whole text.</summary>
    public string Text { get; }

    /// <summary>Whether a message has any text in it.</summary>
    /// <param name="message">Its index.</param>
    public bool Holds(int message) => _authors.Contains(message);

    /// <summary>Whether the template wrote all of a stretch.</summary>
    public bool IsTemplates(int start, int length)
    {
        // The first bound after the start is an end, and not before that of the stretch.
        int place = _bounds.BinarySearch(start);
        int next = place >= 0 ? place + 1 : ~place;
        return (next & 1) == 1 && start + length <= _bounds[next];
    }
}
