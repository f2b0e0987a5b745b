namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Number formats of tensors, by their numbers in the file. Those that the engine does not read are listed so that it
/// can refuse them by name.
/// </summary>
internal enum GgufTensorType : uint
{
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q8_1 = 9,
    Q2_K = 10,
    Q3_K = 11,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    Q8_K = 15,
    IQ2_XXS = 16,
    IQ2_XS = 17,
    IQ3_XXS = 18,
    IQ1_S = 19,
    IQ4_NL = 20,
    IQ3_S = 21,
    IQ2_S = 22,
    IQ4_XS = 23,
    I8 = 24,
    I16 = 25,
    I32 = 26,
    I64 = 27,
    F64 = 28,
    IQ1_M = 29,
    BF16 = 30,
}

/// <summary>Where a tensor lies in the file. A vector has one row.</summary>
/// <param name="Name">Name, such as <c>blk.0.attn_q.weight</c>.</param>
/// <param name="Type">Number format.</param>
/// <param name="Columns">Values in a row; the file's first dimension.</param>
/// <param name="Rows">Number of rows.</param>
/// <param name="Offset">Start in bytes from the start of the file.</param>
internal sealed record GgufTensor(string Name, GgufTensorType Type, int Columns, int Rows, long Offset)
{
    /// <summary>Number of values; fits an array.</summary>
    public int Count => Columns * Rows;

    /// <summary>Bytes in the file.</summary>
    public long ByteLength => (long)Count / BlockLength(Type) * BlockSize(Type);

    /// <summary>Values in one block of the format.</summary>
    public static int BlockLength(GgufTensorType type) =>
        type switch
        {
            GgufTensorType.Q8_0 => 32,
            GgufTensorType.Q4_K or GgufTensorType.Q6_K => 256,
            _ => 1,
        };

    /// <summary>Bytes of one block of the format; 0 if the engine does not read it.</summary>
    public static int BlockSize(GgufTensorType type) =>
        type switch
        {
            GgufTensorType.F32 => 4,
            GgufTensorType.F16 => 2,
            GgufTensorType.Q8_0 => 2 + 32,
            GgufTensorType.Q4_K => 2 + 2 + 12 + 128,
            GgufTensorType.Q6_K => 128 + 64 + 16 + 2,
            _ => 0,
        };
}
