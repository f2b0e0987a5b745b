using System.Runtime.InteropServices;

namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>
/// Remembers the names of the properties of every open object, so that no object gets two of one name: what an automaton
/// over a schema cannot know where names are free. Names are compared as written; free ones hold no escapes. Not
/// thread-safe.
/// </summary>
internal sealed class KeyGuard
{
    /// <summary>The most that <see cref="Missing"/> says.</summary>
    public const int MostMissing = 2;

    // Bytes that may stand for a further character: printable ASCII without quote and backslash.
    private const int PlainCharacters = 93;

    private readonly List<byte[]> _names = [];
    private readonly Stack<int> _objects = new();
    private readonly List<byte> _current = [];
    private bool _isInKey;

    private ReadOnlySpan<byte[]> Names => CollectionsMarshal.AsSpan(_names)[_objects.Peek()..];

    /// <summary>Follows a byte.</summary>
    /// <param name="from">Frame before it.</param>
    /// <param name="to">Frame behind it.</param>
    /// <param name="value">The byte.</param>
    public void Accept(AutomatonFrame from, AutomatonFrame to, byte value)
    {
        if (to == from)
        {
            if (_isInKey) _current.Add(value);
        }
        else if (to.Parent == from)
        {
            _isInKey = to.IsKey;
            if (to.IsKey) _current.Clear();
            else if (to.Depth > from.Depth) _objects.Push(_names.Count);
        }
        else
        {
            if (_isInKey) _names.Add([.. _current]);
            _isInKey = false;
            if (from.Depth == to.Depth) return;
            int count = _objects.Pop();
            _names.RemoveRange(count, _names.Count - count);
        }
    }

    /// <summary>Takes tokens out that would close the name that is being written as one that is there.</summary>
    public void Forbid(TokenTrie trie, Span<float> logits)
    {
        if (!_isInKey) return;
        ReadOnlySpan<byte> current = CollectionsMarshal.AsSpan(_current);
        foreach (byte[] name in Names)
        {
            if (!name.AsSpan().StartsWith(current)) continue;
            int node = 0;
            foreach (byte value in name.AsSpan(current.Length))
            {
                node = trie.ChildOf(node, value);
                if (node < 0) break;
            }

            if (node >= 0) node = trie.ChildOf(node, (byte)'"');
            if (node < 0) continue;
            foreach (int token in trie.TokensBelow(node)) logits[token] = float.NegativeInfinity;
        }
    }

    /// <summary>
    /// Bytes that a name needs beyond what its rule says, to be another than those that are there.
    /// </summary>
    /// <param name="added">What a token adds to the name that is being written, or of a new name.</param>
    /// <param name="isNew">Whether the name begins in the token.</param>
    public int Missing(ReadOnlySpan<byte> added, bool isNew)
    {
        ReadOnlySpan<byte> begun = isNew ? [] : CollectionsMarshal.AsSpan(_current);
        int length = begun.Length + added.Length;
        bool isThere = false;
        int oneLonger = 0;
        foreach (byte[] name in Names)
        {
            if (name.Length < length || name.Length > length + 1) continue;
            if (!name.AsSpan().StartsWith(begun) || !name.AsSpan(begun.Length).StartsWith(added)) continue;
            isThere |= name.Length == length;
            if (name.Length > length && name[^1] < 0x80) oneLonger++;
        }

        // Of the empty name its rule says that it needs a character.
        int needed = !isThere && length > 0 ? 0 : oneLonger < PlainCharacters ? 1 : 2;
        return needed - (length == 0 ? 1 : 0);
    }
}
