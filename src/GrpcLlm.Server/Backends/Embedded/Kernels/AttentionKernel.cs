using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace GrpcLlm.Server.Backends.Embedded.Kernels;

/// <summary>What one stream's tokens ask of one key/value head in one layer.</summary>
internal readonly ref struct AttentionQuestion
{
    /// <summary>The stream's pages.</summary>
    public required ReadOnlySpan<KvPage> Pages { get; init; }

    /// <summary>Start of the head's keys in a page, in numbers: [dimension × position]. Values follow: [position × dimension].</summary>
    public required int Offset { get; init; }

    /// <summary>Dimensions of a head.</summary>
    public required int HeadLength { get; init; }

    /// <summary>Position of the first token.</summary>
    public required int Position { get; init; }

    /// <summary>Number of tokens.</summary>
    public required int Tokens { get; init; }

    /// <summary>Query heads that share the key/value head.</summary>
    public required int Group { get; init; }

    /// <summary>Row of the first token in the buffers.</summary>
    public required int Row { get; init; }

    /// <summary>Start of the first query head in a row.</summary>
    public required int Column { get; init; }

    /// <summary>Queries, token by token.</summary>
    public required LaneBuffer Queries { get; init; }

    /// <summary>Where answers go.</summary>
    public required LaneBuffer Answers { get; init; }
}

/// <summary>
/// Softmax attention over cached keys and values. A token sees itself and everything before it. Keys lie with positions
/// side by side and values with dimensions side by side, so that neither needs a sum over lanes; each sum goes in order of
/// dimensions or positions, however many queries are answered together.
/// </summary>
/// <typeparam name="T">Sixteen lanes.</typeparam>
/// <typeparam name="TStored">How keys and values are kept.</typeparam>
internal static class AttentionKernel<T, TStored>
    where T : struct, ILanes<T>
    where TStored : struct, IStoredFormat
{
    private const int Lanes = 16;
    private const int Together = 4; // queries
    private const int PagePositions = KvPagePool.PagePositions;

    /// <summary>Floats that <see cref="Answer"/> needs as room, for so many positions.</summary>
    public static int RoomFor(int positions) => Together * LaneBuffer.Padded(positions);

    /// <summary>Writes a token's key and value of one head.</summary>
    /// <param name="page">Its page.</param>
    /// <param name="offset">As <see cref="AttentionQuestion.Offset"/>.</param>
    /// <param name="position">Place in the page.</param>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    public static void Write(
        KvPage page, int offset, int position, ReadOnlySpan<float> key, ReadOnlySpan<float> value)
    {
        TStored.Write(key, ref page.Start, offset + position, PagePositions);
        int values = offset + (PagePositions * key.Length) + (position * value.Length);
        TStored.Write(value, ref page.Start, values, 1);
    }

    /// <summary>Answers all queries of a question.</summary>
    /// <param name="question">The question.</param>
    /// <param name="room">As <see cref="RoomFor"/> says.</param>
    public static void Answer(in AttentionQuestion question, float[] room)
    {
        int queries = question.Tokens * question.Group;
        int query = 0;
        for (; query + Together <= queries; query += Together) AnswerFour(question, query, room);
        for (; query < queries; query++) AnswerOne(question, query, room);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AnswerOne(in AttentionQuestion question, int query, float[] room)
    {
        int positions = PositionsOf(question, query);
        ref float asked = ref QueryOf(question, query, question.Queries);
        ref float scores = ref MemoryMarshal.GetArrayDataReference(room);
        T scale = T.Broadcast(1 / MathF.Sqrt(question.HeadLength));
        for (int start = 0; start < positions; start += PagePositions)
        {
            ref byte page = ref question.Pages[start / PagePositions].Start;
            T low = T.Broadcast(0), high = low;
            int index = question.Offset;
            for (int i = 0; i < question.HeadLength; i++, index += PagePositions)
            {
                T factor = T.Broadcast(Unsafe.Add(ref asked, i));
                low = T.MultiplyAdd(TStored.Read<T>(ref page, index), factor, low);
                high = T.MultiplyAdd(TStored.Read<T>(ref page, index + Lanes), factor, high);
            }

            T.Store(low * scale, ref Unsafe.Add(ref scores, start));
            T.Store(high * scale, ref Unsafe.Add(ref scores, start + Lanes));
        }

        float sum = VectorKernel<T>.ExpRelative(ref scores, positions);
        Span<float> answer = AnswerTo(question, query);
        for (int column = 0; column < question.HeadLength; column += 2 * Lanes)
        {
            T low = T.Broadcast(0), high = low;
            for (int position = 0; position < positions; position++)
            {
                ref byte page = ref question.Pages[(int)((uint)position / PagePositions)].Start;
                int index = ValueIndex(question, position, column);
                T weight = T.Broadcast(Unsafe.Add(ref scores, position));
                low = T.MultiplyAdd(TStored.Read<T>(ref page, index), weight, low);
                high = T.MultiplyAdd(TStored.Read<T>(ref page, index + Lanes), weight, high);
            }

            Put(low, sum, answer, column);
            Put(high, sum, answer, column + Lanes);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AnswerFour(in AttentionQuestion question, int query, float[] room)
    {
        // The last of them sees most.
        int positions = PositionsOf(question, query + Together - 1);
        int stride = LaneBuffer.Padded(positions);
        ref float scores = ref MemoryMarshal.GetArrayDataReference(room);
        ScoreFour(question, query, positions, ref scores, stride);
        float sumA = Weigh(question, query, positions, ref scores);
        float sumB = Weigh(question, query + 1, positions, ref Unsafe.Add(ref scores, stride));
        float sumC = Weigh(question, query + 2, positions, ref Unsafe.Add(ref scores, 2 * stride));
        float sumD = Weigh(question, query + 3, positions, ref Unsafe.Add(ref scores, 3 * stride));
        for (int column = 0; column < question.HeadLength; column += Lanes)
        {
            T a = T.Broadcast(0), b = a, c = a, d = a;
            for (int position = 0; position < positions; position++)
            {
                ref byte page = ref question.Pages[(int)((uint)position / PagePositions)].Start;
                T value = TStored.Read<T>(ref page, ValueIndex(question, position, column));
                ref float weight = ref Unsafe.Add(ref scores, position);
                a = T.MultiplyAdd(value, T.Broadcast(weight), a);
                b = T.MultiplyAdd(value, T.Broadcast(Unsafe.Add(ref weight, stride)), b);
                c = T.MultiplyAdd(value, T.Broadcast(Unsafe.Add(ref weight, 2 * stride)), c);
                d = T.MultiplyAdd(value, T.Broadcast(Unsafe.Add(ref weight, 3 * stride)), d);
            }

            Put(a, sumA, AnswerTo(question, query), column);
            Put(b, sumB, AnswerTo(question, query + 1), column);
            Put(c, sumC, AnswerTo(question, query + 2), column);
            Put(d, sumD, AnswerTo(question, query + 3), column);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ScoreFour(
        in AttentionQuestion question, int query, int positions, ref float scores, int stride)
    {
        ref float askedA = ref QueryOf(question, query, question.Queries);
        ref float askedB = ref QueryOf(question, query + 1, question.Queries);
        ref float askedC = ref QueryOf(question, query + 2, question.Queries);
        ref float askedD = ref QueryOf(question, query + 3, question.Queries);
        T scale = T.Broadcast(1 / MathF.Sqrt(question.HeadLength));
        for (int start = 0; start < positions; start += Lanes)
        {
            ref byte page = ref question.Pages[start / PagePositions].Start;
            T a = T.Broadcast(0), b = a, c = a, d = a;
            int index = question.Offset + (start % PagePositions);
            for (int i = 0; i < question.HeadLength; i++, index += PagePositions)
            {
                T key = TStored.Read<T>(ref page, index);
                a = T.MultiplyAdd(key, T.Broadcast(Unsafe.Add(ref askedA, i)), a);
                b = T.MultiplyAdd(key, T.Broadcast(Unsafe.Add(ref askedB, i)), b);
                c = T.MultiplyAdd(key, T.Broadcast(Unsafe.Add(ref askedC, i)), c);
                d = T.MultiplyAdd(key, T.Broadcast(Unsafe.Add(ref askedD, i)), d);
            }

            ref float target = ref Unsafe.Add(ref scores, start);
            T.Store(a * scale, ref target);
            T.Store(b * scale, ref Unsafe.Add(ref target, stride));
            T.Store(c * scale, ref Unsafe.Add(ref target, 2 * stride));
            T.Store(d * scale, ref Unsafe.Add(ref target, 3 * stride));
        }
    }

    // What an earlier token must not see weighs nothing.
    private static float Weigh(in AttentionQuestion question, int query, int positions, ref float scores)
    {
        int seen = PositionsOf(question, query);
        float sum = VectorKernel<T>.ExpRelative(ref scores, seen);
        for (int i = seen; i < positions; i++) Unsafe.Add(ref scores, i) = 0;
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int ValueIndex(in AttentionQuestion question, int position, int column) =>
        question.Offset + column +
        ((PagePositions + (int)((uint)position % PagePositions)) * question.HeadLength);

    private static int PositionsOf(in AttentionQuestion question, int query) =>
        question.Position + (query / question.Group) + 1;

    private static ref float QueryOf(in AttentionQuestion question, int query, LaneBuffer buffer) =>
        ref Unsafe.Add(
            ref buffer.Row(question.Row + (query / question.Group)),
            question.Column + (query % question.Group * question.HeadLength));

    private static Span<float> AnswerTo(in AttentionQuestion question, int query) =>
        MemoryMarshal.CreateSpan(ref QueryOf(question, query, question.Answers), question.HeadLength);

    // Lanes behind the head hold what lies behind it in memory.
    private static void Put(T values, float sum, Span<float> answer, int column)
    {
        if (column >= answer.Length) return;
        values /= T.Broadcast(sum);
        if (column + Lanes <= answer.Length)
        {
            T.Store(values, ref answer[column]);
            return;
        }

        Span<float> lanes = stackalloc float[Lanes];
        T.Store(values, ref lanes[0]);
        lanes[..(answer.Length - column)].CopyTo(answer[column..]);
    }
}
