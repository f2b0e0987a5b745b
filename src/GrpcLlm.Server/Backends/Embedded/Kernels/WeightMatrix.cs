using System.Runtime.CompilerServices;

namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>
/// A matrix of weights where and as it lies in the mapped file, row after row, one row per output value. Immutable; valid
/// as long as the file is open.
/// </summary>
internal sealed unsafe class WeightMatrix
{
    private readonly byte* _start;

    /// <param name="start">Address of the first row.</param>
    /// <param name="tensor">What lies there.</param>
    public WeightMatrix(nint start, GgufTensor tensor)
    {
        _start = (byte*)start;
        Type = tensor.Type;
        Rows = tensor.Rows;
        Columns = tensor.Columns;
        RowBytes = (int)(tensor.ByteLength / tensor.Rows);
    }

    /// <summary>Number format.</summary>
    public GgufTensorType Type { get; }

    /// <summary>Values that a product with a vector gives.</summary>
    public int Rows { get; }

    /// <summary>Values in a row.</summary>
    public int Columns { get; }

    /// <summary>Bytes of a row.</summary>
    public int RowBytes { get; }

    /// <summary>Start of a row.</summary>
    public ref byte Row(int row) => ref Unsafe.AsRef<byte>(_start + ((nint)row * RowBytes));
}
