using System.Runtime.CompilerServices;

namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>Arithmetic on vectors that are padded to whole units with zeros; results are padded so as well.</summary>
/// <typeparam name="T">Sixteen lanes.</typeparam>
internal static class VectorKernel<T>
    where T : struct, ILanes<T>
{
    private const int Lanes = 16;

    /// <summary>RMSNorm: <c>x / sqrt(mean(x²) + epsilon) * weight</c>.</summary>
    /// <param name="x">The vector.</param>
    /// <param name="weight">Its weights.</param>
    /// <param name="length">Numbers without padding.</param>
    /// <param name="epsilon">Epsilon.</param>
    /// <param name="result">Where the result goes.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Normalize(ref float x, ref float weight, int length, float epsilon, ref float result)
    {
        int padded = LaneBuffer.Padded(length);
        T squares = T.Broadcast(0);
        for (int i = 0; i < padded; i += Lanes)
        {
            T values = T.Load(ref Unsafe.Add(ref x, i));
            squares = T.MultiplyAdd(values, values, squares);
        }

        T scale = T.Broadcast(1 / MathF.Sqrt((T.Sum(squares) / length) + epsilon));
        for (int i = 0; i < padded; i += Lanes)
        {
            T values = T.Load(ref Unsafe.Add(ref x, i)) * scale;
            T.Store(values * T.Load(ref Unsafe.Add(ref weight, i)), ref Unsafe.Add(ref result, i));
        }
    }

    /// <summary><c>x = x + y</c>, whole lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add(ref float x, ref float y, int length)
    {
        for (int i = 0; i < length; i += Lanes)
        {
            T.Store(
                T.Load(ref Unsafe.Add(ref x, i)) + T.Load(ref Unsafe.Add(ref y, i)), ref Unsafe.Add(ref x, i));
        }
    }

    /// <summary><c>gate = SiLU(gate) * up</c>, SiLU(x) = x / (1 + exp(-x)), whole lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void SwiGlu(ref float gate, ref float up, int length)
    {
        T one = T.Broadcast(1);
        for (int i = 0; i < length; i += Lanes)
        {
            T x = T.Load(ref Unsafe.Add(ref gate, i));
            T sigmoid = x / (one + Exp(T.Broadcast(0) - x));
            T.Store(sigmoid * T.Load(ref Unsafe.Add(ref up, i)), ref Unsafe.Add(ref gate, i));
        }
    }

    /// <summary>
    /// Turns scores into weights relative to the largest, which becomes 1. Numbers behind the length, up to a whole
    /// unit, become 0.
    /// </summary>
    /// <returns>The sum of the weights.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float ExpRelative(ref float scores, int length)
    {
        int padded = LaneBuffer.Padded(length);
        for (int i = length; i < padded; i++) Unsafe.Add(ref scores, i) = float.MinValue;
        float largest = scores;
        for (int i = 1; i < length; i++) largest = MathF.Max(largest, Unsafe.Add(ref scores, i));

        T most = T.Broadcast(largest);
        T sum = T.Broadcast(0);
        for (int i = 0; i < padded; i += Lanes)
        {
            T weights = Exp(T.Load(ref Unsafe.Add(ref scores, i)) - most);
            T.Store(weights, ref Unsafe.Add(ref scores, i));
            sum += weights;
        }

        for (int i = length; i < padded; i++) Unsafe.Add(ref scores, i) = 0;
        return T.Sum(sum);
    }

    /// <summary>
    /// e^x with an error of about one unit in the last place. Below -87 it stays at 2e-38, above 88 at 2e38; NaN stays.
    /// </summary>
    /// <remarks>
    /// x = n ln 2 + r with an integer n; e^r by its Taylor polynomial, which needs seven terms for |r| up to 0.35; times 2^n.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Exp(T x)
    {
        x = T.Max(T.Min(x, T.Broadcast(88)), T.Broadcast(-87));

        // Adding this number leaves n in the lowest bits of the sum.
        T magic = T.Broadcast(12_582_912); // 1.5 * 2^23
        T shifted = T.MultiplyAdd(x, T.Broadcast(1.442_695_04f), magic);
        T n = shifted - magic;
        T r = T.MultiplyAdd(n, T.Broadcast(-0.693_145_752f), x); // ln 2 in two parts
        r = T.MultiplyAdd(n, T.Broadcast(-1.428_606_77e-6f), r);
        T sum = T.MultiplyAdd(T.Broadcast(1f / 5040), r, T.Broadcast(1f / 720));
        sum = T.MultiplyAdd(sum, r, T.Broadcast(1f / 120));
        sum = T.MultiplyAdd(sum, r, T.Broadcast(1f / 24));
        sum = T.MultiplyAdd(sum, r, T.Broadcast(1f / 6));
        sum = T.MultiplyAdd(sum, r, T.Broadcast(0.5f));
        sum = T.MultiplyAdd(sum, r, T.Broadcast(1));
        sum = T.MultiplyAdd(sum, r, T.Broadcast(1));
        return T.AddToExponent(sum, shifted);
    }
}
