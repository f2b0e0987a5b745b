namespace GrpcLlm.Cli.Bench.Measurement;

/// <summary>
/// Keeps a sample in which each thing that came has the same chance to be (Vitter's algorithm R). Not thread-safe.
/// </summary>
/// <param name="size">Most things that are kept.</param>
/// <param name="seed">Same seed, same sample.</param>
internal sealed class Reservoir<T>(int size, long seed)
{
    private readonly Random _random = Seeds.RandomOf(seed);
    private readonly List<T> _kept = [];
    private long _seen;

    /// <summary>What is kept, in no order.</summary>
    public IReadOnlyList<T> Kept => _kept;

    /// <summary>Takes a thing, which is made only if it is kept.</summary>
    public void Offer<TSource>(TSource source, Func<TSource, T> make)
    {
        _seen++;
        if (_kept.Count < size)
        {
            _kept.Add(make(source));
            return;
        }

        var place = _random.NextInt64(_seen);
        if (place < size) _kept[(int)place] = make(source);
    }
}
