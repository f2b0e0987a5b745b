namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>
/// The bytes of a vocabulary's tokens as a tree, in the order of a walk, so that the tokens that share a beginning are
/// tried together. Only pieces of text and single bytes are in it: no marks, and nothing longer than
/// <see cref="StructuredLimits.TokenBytes"/>. Immutable and thread-safe.
/// </summary>
internal sealed class TokenTrie
{
    private readonly byte[] _labels;
    private readonly byte[] _depths;
    private readonly int[] _ends;
    private readonly int[] _firstToken;
    private readonly int[] _tokens;
    private readonly ReadOnlyMemory<byte>[] _bytes;

    /// <param name="tokens">The bytes of each token by id; empty for those that are never drawn.</param>
    /// <param name="endTokens">Tokens with which the model ends.</param>
    public TokenTrie(ReadOnlyMemory<byte>[] tokens, IReadOnlyList<int> endTokens)
    {
        VocabularySize = tokens.Length;
        EndTokens = endTokens;
        _bytes = tokens;
        _tokens =
        [
            .. Enumerable.Range(0, tokens.Length).Where(id => tokens[id].Length is > 0 and <= StructuredLimits.TokenBytes),
        ];
        Array.Sort(_tokens, (x, y) =>
            tokens[x].Span.SequenceCompareTo(tokens[y].Span) is var order and not 0 ? order : x.CompareTo(y));
        (_labels, _depths, _ends, _firstToken) = Build(_tokens, tokens);
        LongestToken = _tokens.Length == 0 ? 0 : _tokens.Max(id => tokens[id].Length);
    }

    /// <summary>Number of tokens, those that are not in the tree included.</summary>
    public int VocabularySize { get; }

    /// <summary>Tokens with which the model ends.</summary>
    public IReadOnlyList<int> EndTokens { get; }

    /// <summary>Bytes of the longest token.</summary>
    public int LongestToken { get; }

    /// <summary>Number of nodes; node 0 is the root.</summary>
    public int NodeCount => _labels.Length;

    /// <summary>The tree of a model's vocabulary.</summary>
    public static TokenTrie Of(Vocabulary vocabulary) =>
        new([.. Enumerable.Range(0, vocabulary.Count).Select(id => TextOf(vocabulary, id))], vocabulary.EndTokens);

    /// <summary>The bytes of a token that may be drawn; empty for the others.</summary>
    public static ReadOnlyMemory<byte> TextOf(Vocabulary vocabulary, int id) =>
        vocabulary.KindOf(id) is TokenKind.Normal or TokenKind.Byte && !vocabulary.IsEnd(id) ? vocabulary.BytesOf(id) : default;

    /// <summary>The last byte of a node's text.</summary>
    public byte LabelOf(int node) => _labels[node];

    /// <summary>The length of its text.</summary>
    public int DepthOf(int node) => _depths[node];

    /// <summary>The first node behind those whose texts begin with its text; its first child is the next node.</summary>
    public int EndOf(int node) => _ends[node];

    /// <summary>Tokens that are exactly its text.</summary>
    public ReadOnlySpan<int> TokensAt(int node) => _tokens.AsSpan(_firstToken[node].._firstToken[node + 1]);

    /// <summary>Tokens that begin with its text.</summary>
    public ReadOnlySpan<int> TokensBelow(int node) => _tokens.AsSpan(_firstToken[node].._firstToken[_ends[node]]);

    /// <summary>The node one byte further; -1 if there is none.</summary>
    public int ChildOf(int node, byte label)
    {
        for (int child = node + 1; child < _ends[node]; child = _ends[child])
        {
            if (_labels[child] == label) return child;
        }

        return -1;
    }

    /// <summary>The bytes of a token that is in the tree.</summary>
    public ReadOnlySpan<byte> BytesOf(int token) => _bytes[token].Span;

    private static (byte[] Labels, byte[] Depths, int[] Ends, int[] FirstToken) Build(int[] sorted, ReadOnlyMemory<byte>[] tokens)
    {
        List<byte> labels = [0];
        List<byte> depths = [0];
        List<int> ends = [0];
        List<int> firstToken = [0];
        List<int> path = [0];
        for (int place = 0; place < sorted.Length; place++)
        {
            ReadOnlySpan<byte> bytes = tokens[sorted[place]].Span;
            int shared = 0;
            while (shared < bytes.Length && shared + 1 < path.Count && labels[path[shared + 1]] == bytes[shared]) shared++;
            CloseTo(shared + 1);
            for (int i = shared; i < bytes.Length; i++)
            {
                path.Add(labels.Count);
                labels.Add(bytes[i]);
                depths.Add((byte)(i + 1));
                ends.Add(0);
                firstToken.Add(place);
            }
        }

        CloseTo(0);
        firstToken.Add(sorted.Length);
        return ([.. labels], [.. depths], [.. ends], [.. firstToken]);

        void CloseTo(int length)
        {
            for (; path.Count > length; path.RemoveAt(path.Count - 1)) ends[path[^1]] = labels.Count;
        }
    }
}
