namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>
/// Vectors of one length, one after the other, each padded to whole units of <see cref="IWeightFormat.Unit"/> so that
/// kernels need no remainder. What is in the padding is zero and stays so.
/// </summary>
/// <param name="rows">Number of vectors.</param>
/// <param name="length">Numbers in each.</param>
internal sealed class LaneBuffer(int rows, int length)
{
    private readonly float[] _values = new float[checked(rows * Padded(length))];

    /// <summary>Numbers in a vector.</summary>
    public int Length => length;

    /// <summary>Numbers from one vector to the next.</summary>
    public int Stride { get; } = Padded(length);

    /// <summary>A length in whole units.</summary>
    public static int Padded(int length) =>
        (length + IWeightFormat.Unit - 1) / IWeightFormat.Unit * IWeightFormat.Unit;

    /// <summary>Start of a vector.</summary>
    public ref float Row(int row) => ref _values[row * Stride];

    /// <summary>A vector without its padding.</summary>
    public Span<float> Span(int row) => _values.AsSpan(row * Stride, length);
}
