namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>A shape that was compiled.</summary>
/// <param name="Grammar">What may be written; null if something is wrong.</param>
/// <param name="Problems">What is wrong, by the request's field and the place in its schema.</param>
internal sealed record CompiledShape(Grammar? Grammar, IReadOnlyList<(string Field, string Message)> Problems);

/// <summary>Remembers compiled shapes, those least recently used forgotten first. Thread-safe.</summary>
internal sealed class ShapeCache
{
    /// <summary>Most shapes.</summary>
    public const int Capacity = 64;

    // Most states of all of them together: a few times the largest.
    private const int MaxStates = 8 * StructuredLimits.States;

    private readonly Lock _gate = new();
    private readonly LinkedList<(string Key, CompiledShape Shape)> _latest = new();
    private readonly Dictionary<string, LinkedListNode<(string Key, CompiledShape Shape)>> _entries = new(StringComparer.Ordinal);
    private int _states;

    /// <summary>Takes a shape, or compiles it: not under the lock, so two that come at once may both.</summary>
    public CompiledShape Get(string key, Func<CompiledShape> compile)
    {
        lock (_gate)
        {
            if (_entries.TryGetValue(key, out LinkedListNode<(string Key, CompiledShape Shape)>? known))
            {
                _latest.Remove(known);
                _latest.AddFirst(known);
                return known.Value.Shape;
            }
        }

        CompiledShape shape = compile();
        lock (_gate)
        {
            if (!_entries.ContainsKey(key))
            {
                _entries[key] = _latest.AddFirst((key, shape));
                _states += StatesOf(shape);
                while (_entries.Count > Capacity || _states > MaxStates) Forget(_latest.Last!);
            }
        }

        return shape;
    }

    private static int StatesOf(CompiledShape shape) => shape.Grammar?.StateCount ?? 0;

    private void Forget(LinkedListNode<(string Key, CompiledShape Shape)> entry)
    {
        _latest.Remove(entry);
        _entries.Remove(entry.Value.Key);
        _states -= StatesOf(entry.Value.Shape);
    }
}
