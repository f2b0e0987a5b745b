using System.Numerics;
using System.Runtime.CompilerServices;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Reads metadata and tensor descriptions of GGUF version 3. The file is not trusted: counts and lengths are held
/// against the bytes that are left before anything is allocated, so memory stays within a few times the file's size.
/// </summary>
/// <remarks>Layout: the GGUF specification of the ggml project.</remarks>
internal sealed class GgufHeader
{
    private const uint Magic = 0x46554747; // "GGUF", little-endian
    private const uint Version = 3;
    private const int MaxDimensions = 4;
    private const int MaxAlignment = 1 << 20;

    // Least bytes that one entry takes, to hold the announced counts against: an empty key, a type and a one-byte
    // value; an empty name, a count of dimensions, one dimension, type and offset.
    private const int MinMetadataSize = 8 + 4 + 1;
    private const int MinTensorSize = 8 + 4 + 8 + 4 + 8;

    private readonly GgufCursor _cursor;
    private readonly long _fileLength;

    private GgufHeader(GgufCursor cursor)
    {
        _cursor = cursor;
        _fileLength = cursor.Remaining;
    }

    /// <summary>Reads the head of a file.</summary>
    /// <param name="cursor">At the start of the file.</param>
    /// <exception cref="EmbeddedModelException">The file is not what it should be.</exception>
    public static (GgufMetadata Metadata, IReadOnlyDictionary<string, GgufTensor> Tensors) Read(GgufCursor cursor)
    {
        var header = new GgufHeader(cursor);
        if (cursor.Read<uint>("the magic number") != Magic)
            throw new EmbeddedModelException("the file is not GGUF: it does not begin with the letters GGUF");
        uint version = cursor.Read<uint>("the version");
        if (version == Version << 24)
            throw new EmbeddedModelException("the file is big-endian GGUF; only little-endian is read");
        if (version != Version)
            throw new EmbeddedModelException($"the file is GGUF version {version}; only version 3 is read");

        ulong tensorCount = cursor.Read<ulong>("the number of tensors");
        ulong keyCount = cursor.Read<ulong>("the number of metadata keys");
        cursor.RequireItems(tensorCount, MinTensorSize, "the list of tensors");
        cursor.RequireItems(keyCount, MinMetadataSize, "the metadata");

        var metadata = header.ReadMetadata((int)keyCount);
        return (metadata, header.ReadTensors((int)tensorCount, metadata));
    }

    private GgufMetadata ReadMetadata(int count)
    {
        var values = new Dictionary<string, object>(StringComparer.Ordinal);
        for (int i = 0; i < count; i++)
        {
            string key = _cursor.ReadString($"the name of metadata key {i}");
            string what = $"metadata key '{Shorten(key)}'";
            if (!values.TryAdd(key, ReadValue(what))) throw new EmbeddedModelException($"{what} is there twice");
        }

        return new GgufMetadata(values);
    }

    private object ReadValue(string what)
    {
        var type = (ValueType)_cursor.Read<uint>(what);
        return type switch
        {
            ValueType.UInt8 => _cursor.Read<byte>(what),
            ValueType.Int8 => _cursor.Read<sbyte>(what),
            ValueType.UInt16 => _cursor.Read<ushort>(what),
            ValueType.Int16 => _cursor.Read<short>(what),
            ValueType.UInt32 => _cursor.Read<uint>(what),
            ValueType.Int32 => _cursor.Read<int>(what),
            ValueType.UInt64 => _cursor.Read<ulong>(what),
            ValueType.Int64 => _cursor.Read<long>(what),
            ValueType.Float32 => _cursor.Read<float>(what),
            ValueType.Float64 => _cursor.Read<double>(what),
            ValueType.Boolean => _cursor.Read<byte>(what) != 0,
            ValueType.String => _cursor.ReadString(what),
            ValueType.Array => ReadArray(what),
            _ => throw new EmbeddedModelException($"{what} has the unknown value type {(uint)type}"),
        };
    }

    private Array ReadArray(string what)
    {
        var type = (ValueType)_cursor.Read<uint>(what);
        ulong count = _cursor.Read<ulong>(what);
        return type switch
        {
            ValueType.UInt8 => ReadNumbers<byte>(count, what),
            ValueType.Int8 => ReadNumbers<sbyte>(count, what),
            ValueType.UInt16 => ReadNumbers<ushort>(count, what),
            ValueType.Int16 => ReadNumbers<short>(count, what),
            ValueType.UInt32 => ReadNumbers<uint>(count, what),
            ValueType.Int32 => ReadNumbers<int>(count, what),
            ValueType.UInt64 => ReadNumbers<ulong>(count, what),
            ValueType.Int64 => ReadNumbers<long>(count, what),
            ValueType.Float32 => ReadNumbers<float>(count, what),
            ValueType.Float64 => ReadNumbers<double>(count, what),
            ValueType.Boolean => Array.ConvertAll(ReadNumbers<byte>(count, what), value => value != 0),
            ValueType.String => ReadStrings(count, what),
            ValueType.Array => throw new EmbeddedModelException($"{what} is an array of arrays, which is not read"),
            _ => throw new EmbeddedModelException($"{what} is an array of the unknown value type {(uint)type}"),
        };
    }

    private T[] ReadNumbers<T>(ulong count, string what)
        where T : unmanaged
    {
        _cursor.RequireItems(count, Unsafe.SizeOf<T>(), what);
        var numbers = new T[count];
        _cursor.ReadInto(numbers.AsSpan(), what);
        return numbers;
    }

    private string[] ReadStrings(ulong count, string what)
    {
        _cursor.RequireItems(count, sizeof(ulong), what);
        var strings = new string[count];
        for (int i = 0; i < strings.Length; i++) strings[i] = _cursor.ReadString(what);
        return strings;
    }

    private Dictionary<string, GgufTensor> ReadTensors(int count, GgufMetadata metadata)
    {
        int alignment = metadata.GetInt32("general.alignment", 8, MaxAlignment, 32);
        if (!BitOperations.IsPow2(alignment))
            throw new EmbeddedModelException($"general.alignment is {alignment}; must be a power of two");

        var tensors = new Dictionary<string, GgufTensor>(StringComparer.Ordinal);
        for (int i = 0; i < count; i++)
        {
            GgufTensor tensor = ReadTensor(i, alignment);
            if (!tensors.TryAdd(tensor.Name, tensor))
                throw new EmbeddedModelException($"tensor '{Shorten(tensor.Name)}' is there twice");
        }

        // Offsets count from the first aligned byte after the descriptions.
        long start = (_cursor.Position + alignment - 1) / alignment * alignment;
        foreach ((string name, GgufTensor tensor) in tensors)
        {
            if (start > _fileLength || tensor.Offset > _fileLength - start - tensor.ByteLength)
            {
                throw new EmbeddedModelException(
                    $"tensor '{Shorten(name)}' lies outside the file: {tensor.ByteLength} bytes at {tensor.Offset} " +
                    $"of the data, which has {Math.Max(0, _fileLength - start)}");
            }

            tensors[name] = tensor with { Offset = start + tensor.Offset };
        }

        return tensors;
    }

    private GgufTensor ReadTensor(int index, int alignment)
    {
        string name = _cursor.ReadString($"the name of tensor {index}");
        string what = $"tensor '{Shorten(name)}'";
        uint dimensions = _cursor.Read<uint>(what);
        if (dimensions is 0 or > MaxDimensions)
            throw new EmbeddedModelException($"{what} has {dimensions} dimensions; must be 1 to {MaxDimensions}");

        ulong columns = _cursor.Read<ulong>(what);
        UInt128 rows = 1;
        for (uint i = 1; i < dimensions; i++)
        {
            // Stop growing once it is too large anyway: four full dimensions exceed 128 bits.
            if (rows <= ulong.MaxValue) rows *= _cursor.Read<ulong>(what);
            else _cursor.Read<ulong>(what);
        }

        var type = (GgufTensorType)_cursor.Read<uint>(what);
        ulong offset = _cursor.Read<ulong>(what);
        int blockSize = GgufTensor.BlockSize(type);
        if (blockSize == 0)
            throw new EmbeddedModelException($"{what} has the number format {type}; only F32, F16, Q8_0, Q4_K and Q6_K are read");
        if (columns == 0 || rows == 0) throw new EmbeddedModelException($"{what} has a dimension of 0");
        if (rows > (UInt128)Array.MaxLength || rows * columns > (UInt128)Array.MaxLength)
            throw new EmbeddedModelException($"{what} has more than {Array.MaxLength} values");
        if ((int)columns % GgufTensor.BlockLength(type) != 0)
            throw new EmbeddedModelException($"{what} has rows of {columns} values, which {type} cannot hold");
        if (offset % (ulong)alignment != 0)
        {
            throw new EmbeddedModelException(
                $"{what} begins at {offset}, which is not a multiple of the alignment {alignment}");
        }

        if (offset > (ulong)_fileLength)
            throw new EmbeddedModelException($"{what} lies outside the file: it begins at {offset} of the data");
        return new GgufTensor(name, type, (int)columns, (int)rows, (long)offset);
    }

    // Names come from the file and end up in messages.
    private static string Shorten(string name) => TextLine.Of(name, 80);

    /// <summary>Types of metadata values, by their numbers in the file.</summary>
    private enum ValueType : uint
    {
        UInt8 = 0,
        Int8 = 1,
        UInt16 = 2,
        Int16 = 3,
        UInt32 = 4,
        Int32 = 5,
        Float32 = 6,
        Boolean = 7,
        String = 8,
        Array = 9,
        UInt64 = 10,
        Int64 = 11,
        Float64 = 12,
    }
}
