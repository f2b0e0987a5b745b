namespace GrpcLlm.Server.Streaming;

/// <summary>
/// Finds the first of several texts in a stream and lets none of it out, not even in part: what could be the beginning
/// of one is held back until it is known. The result does not depend on how the text is cut into pieces. The match
/// that is complete first counts; of several complete at the same character, the longest.
/// An Aho-Corasick automaton over UTF-16 code units: constant work per character whatever the number of sequences.
/// Not thread-safe.
/// </summary>
internal sealed class StopSequenceMatcher
{
    private readonly List<Node> _nodes = [new Node()];
    private readonly Dictionary<(int Node, char Unit), int> _next = [];
    private string _held = "";
    private int _state;

    /// <param name="sequences">Texts to find, none empty.</param>
    public StopSequenceMatcher(IEnumerable<string> sequences)
    {
        foreach (var sequence in sequences) AddToTrie(sequence);
        LinkSuffixes();
    }

    /// <summary>The sequence that was found; null while none is.</summary>
    public string? Found { get; private set; }

    /// <summary>Takes the next piece; gives what is certainly no part of a sequence.</summary>
    public string Push(string text)
    {
        if (Found is not null) return "";
        for (var index = 0; index < text.Length; index++)
        {
            _state = Step(_state, text[index]);
            if (_nodes[_state].Match is not { } match) continue;

            Found = match;
            var all = string.Concat(_held, text.AsSpan(0, index + 1));
            _held = "";
            return all[..^match.Length];
        }

        var depth = _nodes[_state].Depth;
        if (depth == 0 && _held.Length == 0) return text;
        var pending = _held + text;
        _held = pending[^depth..];
        return pending[..^depth];
    }

    /// <summary>The stream is over without a match: gives what was held.</summary>
    public string Flush()
    {
        var held = _held;
        _held = "";
        _state = 0;
        return held;
    }

    private int Step(int state, char unit)
    {
        int target;
        while (!_next.TryGetValue((state, unit), out target))
        {
            if (state == 0) return 0;
            state = _nodes[state].Suffix;
        }

        return target;
    }

    private void AddToTrie(string sequence)
    {
        var state = 0;
        foreach (var unit in sequence)
        {
            if (!_next.TryGetValue((state, unit), out var child))
            {
                child = _nodes.Count;
                _nodes.Add(new Node { Parent = state, Unit = unit, Depth = _nodes[state].Depth + 1 });
                _next.Add((state, unit), child);
            }

            state = child;
        }

        _nodes[state].Match = sequence;
    }

    /// <summary>
    /// Links each node to the longest proper suffix of its text that is in the trie too, shallow nodes first, and
    /// hands matches along the links.
    /// </summary>
    private void LinkSuffixes()
    {
        foreach (var index in Enumerable.Range(1, _nodes.Count - 1).OrderBy(i => _nodes[i].Depth))
        {
            var node = _nodes[index];
            node.Suffix = node.Parent == 0 ? 0 : Step(_nodes[node.Parent].Suffix, node.Unit);
            node.Match ??= _nodes[node.Suffix].Match;
        }
    }

    private sealed class Node
    {
        public int Parent { get; init; }

        public char Unit { get; init; }

        public int Depth { get; init; }

        public int Suffix { get; set; }

        /// <summary>Longest sequence that ends here.</summary>
        public string? Match { get; set; }
    }
}
