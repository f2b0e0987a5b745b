using System.Buffers.Binary;


namespace GrpcLlm.Server.Tests.Backends.Embedded.Fuzz;

/// <summary>A place in a GGUF file where a number or a text stands.</summary>
/// <param name="Offset">Where, in bytes.</param>
/// <param name="Length">How many bytes.</param>
/// <param name="IsText">Whether it is text.</param>
internal readonly record struct GgufField(int Offset, int Length, bool IsText);

/// <summary>A GGUF file that is right, as what it is made of: where its fields lie, and its entries.</summary>
internal sealed class GgufFields
{
    private const int StringType = 8;
    private const int ArrayType = 9;

    // Of a long array the first items stand for all.
    private const int MostItems = 24;

    private readonly byte[] _file;
    private readonly List<GgufField> _fields = [];
    private readonly List<(int Start, int End)> _keys = [];
    private readonly List<(int Start, int End)> _tensors = [];
    private int _place;

    private GgufFields(byte[] file)
    {
        _file = file;
        Number(4); // magic
        Number(4); // version
        ulong tensors = Number(8);
        ulong keys = Number(8);
        for (ulong i = 0; i < keys; i++)
        {
            int start = _place;
            Text();
            Value(Number(4));
            _keys.Add((start, _place));
        }

        for (ulong i = 0; i < tensors; i++)
        {
            int start = _place;
            Text();
            for (ulong dimensions = Number(4); dimensions > 0; dimensions--) Number(8);
            Number(4); // type
            Number(8); // offset
            _tensors.Add((start, _place));
        }
    }

    /// <summary>Where numbers and texts lie, in order.</summary>
    public IReadOnlyList<GgufField> All => _fields;

    /// <summary>Where the entries of the metadata lie.</summary>
    public IReadOnlyList<(int Start, int End)> Keys => _keys;

    /// <summary>Where the descriptions of tensors lie.</summary>
    public IReadOnlyList<(int Start, int End)> Tensors => _tensors;

    /// <summary>Where the head ends.</summary>
    public int End => _place;

    /// <summary>The fields of a file.</summary>
    public static GgufFields Of(byte[] file) => new(file);

    private ulong Number(int length, bool isKept = true)
    {
        if (isKept) _fields.Add(new GgufField(_place, length, IsText: false));
        ReadOnlySpan<byte> bytes = _file.AsSpan(_place, length);
        _place += length;
        return length switch
        {
            1 => bytes[0],
            4 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
            _ => BinaryPrimitives.ReadUInt64LittleEndian(bytes),
        };
    }

    private void Text(bool isKept = true)
    {
        int length = (int)Number(8, isKept);
        if (isKept && length > 0) _fields.Add(new GgufField(_place, length, IsText: true));
        _place += length;
    }

    private void Value(ulong type, bool isKept = true)
    {
        if (type == StringType) Text(isKept);
        else if (type == ArrayType) Items();
        else Number(type is 7 ? 1 : type is 4 or 5 or 6 ? 4 : 8, isKept);
    }

    private void Items()
    {
        ulong type = Number(4);
        ulong count = Number(8);
        for (ulong i = 0; i < count; i++) Value(type, isKept: i < MostItems || i + 4 >= count);
    }

}
