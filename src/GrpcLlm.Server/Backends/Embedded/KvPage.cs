using System.Runtime.InteropServices;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>Precision in which keys and values are kept.</summary>
internal enum KeyValuePrecision
{
    /// <summary>Half precision: half the memory; logits differ by some thousandths.</summary>
    F16,

    /// <summary>Single precision: what the network computes, unchanged.</summary>
    F32,
}

/// <summary>
/// Keys and values of some positions in all layers: for each layer and key/value head, the keys as
/// [dimension × position], then the values as [position × dimension]. One stream writes it; once it is full and known to
/// the prefix cache, several read it.
/// </summary>
internal sealed class KvPage
{
    private readonly byte[] _numbers;

    /// <param name="bytes">Size.</param>
    /// <param name="precision">What the numbers are.</param>
    public KvPage(int bytes, KeyValuePrecision precision)
    {
        _numbers = GC.AllocateUninitializedArray<byte>(bytes);
        Precision = precision;
        Place = new LinkedListNode<KvPage>(this);
    }

    /// <summary>What the numbers are.</summary>
    public KeyValuePrecision Precision { get; }

    /// <summary>The first number. A page holds what its last user left; nobody reads a position before writing it.</summary>
    public ref byte Start => ref MemoryMarshal.GetArrayDataReference(_numbers);

    /// <summary>Streams that hold the page. Under the pool's lock, as all that follows.</summary>
    public int Streams { get; set; }

    /// <summary>Number under which the prefix cache knows the page and nothing else ever; 0 if it does not.</summary>
    public long Id { get; set; }

    /// <summary>What it is found by.</summary>
    public PrefixKey Key { get; set; }

    /// <summary>Its tokens, to tell it from another with the same hash.</summary>
    public int[] Tokens { get; } = new int[KvPagePool.PagePositions];

    /// <summary>Its place in the order of use.</summary>
    public LinkedListNode<KvPage> Place { get; }
}
