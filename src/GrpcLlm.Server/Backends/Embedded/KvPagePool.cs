namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Memory for keys and values in pages of <see cref="PagePositions"/> positions. Pages have the exact size, are kept
/// for the next stream and counted, so that a leak shows. Thread-safe.
/// </summary>
internal sealed class KvPagePool
{
    /// <summary>Positions in a page: small enough to waste little, large enough to make rents rare.</summary>
    public const int PagePositions = 32;

    private readonly Stack<float[]> _idle = new();
    private readonly Lock _gate = new();
    private readonly int _maxIdle;

    /// <param name="shape">Shape of the model.</param>
    /// <param name="maxIdle">Pages kept for reuse; further ones go to the garbage collector.</param>
    public KvPagePool(LlamaShape shape, int maxIdle)
    {
        Shape = shape;
        _maxIdle = maxIdle;
        long length = 2L * shape.Layers * PagePositions * shape.KeyValueWidth;
        if (length > Array.MaxLength)
        {
            throw new EmbeddedModelException(
                $"a page of keys and values would have {length} numbers, more than can be held");
        }

        PageLength = (int)length;
    }

    /// <summary>Shape of the model.</summary>
    public LlamaShape Shape { get; }

    /// <summary>Numbers in a page: layer × (keys, values) × position × key/value width.</summary>
    public int PageLength { get; }

    /// <summary>Bytes in a page.</summary>
    public long PageBytes => (long)PageLength * sizeof(float);

    /// <summary>Pages that streams hold now.</summary>
    public int PagesInUse { get; private set; }

    /// <summary>Pages that hold so many positions.</summary>
    public static int PagesFor(int positions) => (positions + PagePositions - 1) / PagePositions;

    /// <summary>Takes a page. It holds what its last user left; nobody reads a position before writing it.</summary>
    public float[] Rent()
    {
        lock (_gate)
        {
            PagesInUse++;
            if (_idle.TryPop(out float[]? page)) return page;
        }

        return GC.AllocateUninitializedArray<float>(PageLength);
    }

    /// <summary>Gives a page back.</summary>
    public void Return(float[] page)
    {
        lock (_gate)
        {
            PagesInUse--;
            if (_idle.Count < _maxIdle) _idle.Push(page);
        }
    }
}
