using System.Buffers;
using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// A GGUF model file, memory-mapped for reading. The operating system loads only pages that are touched. The file must
/// not be cut short while it is open; replace it by renaming another over it. Thread-safe until disposed.
/// </summary>
internal sealed class GgufFile : IDisposable
{
    // Blocks of a format that are converted in one go.
    private const int BufferBlocks = 1024;

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;

    private GgufFile(MemoryMappedFile file, long length)
    {
        _file = file;
        _view = file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        try
        {
            (Metadata, Tensors) = GgufHeader.Read(new GgufCursor(_view.SafeMemoryMappedViewHandle, length));
        }
        catch
        {
            _view.Dispose();
            throw;
        }
    }

    /// <summary>Keys and values.</summary>
    public GgufMetadata Metadata { get; }

    /// <summary>Tensors by name.</summary>
    public IReadOnlyDictionary<string, GgufTensor> Tensors { get; }

    /// <summary>Opens a file and reads its head; weights are read later.</summary>
    /// <exception cref="EmbeddedModelException">It cannot be opened, or is not what it should be.</exception>
    public static GgufFile Open(string path)
    {
        if (!BitConverter.IsLittleEndian)
            throw new PlatformNotSupportedException("GGUF is read on little-endian machines only");
        MemoryMappedFile? mapped = null;
        try
        {
            long length = new FileInfo(path).Length;
            if (length == 0) throw new EmbeddedModelException($"'{path}' is empty");
            mapped = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
            return new GgufFile(mapped, length);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            mapped?.Dispose();
            throw new EmbeddedModelException($"'{path}' cannot be opened: {error.Message}", error);
        }
        catch
        {
            mapped?.Dispose();
            throw;
        }
    }

    /// <summary>A tensor's values as float32, row after row.</summary>
    public float[] ReadTensor(GgufTensor tensor)
    {
        float[] values = GC.AllocateUninitializedArray<float>(tensor.Count);
        int blockLength = GgufTensor.BlockLength(tensor.Type);
        int blockSize = GgufTensor.BlockSize(tensor.Type);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBlocks * blockSize);
        int blocks = tensor.Count / blockLength;
        for (int block = 0; block < blocks; block += BufferBlocks)
        {
            int count = Math.Min(BufferBlocks, blocks - block);
            Span<byte> source = buffer.AsSpan(0, count * blockSize);
            _view.SafeMemoryMappedViewHandle.ReadSpan((ulong)(tensor.Offset + ((long)block * blockSize)), source);
            Convert(tensor.Type, source, values.AsSpan(block * blockLength, count * blockLength));
        }

        ArrayPool<byte>.Shared.Return(buffer);
        return values;
    }

    public void Dispose()
    {
        _view.Dispose();
        _file.Dispose();
    }

    private static void Convert(GgufTensorType type, ReadOnlySpan<byte> source, Span<float> values)
    {
        switch (type)
        {
            case GgufTensorType.F32:
                MemoryMarshal.Cast<byte, float>(source).CopyTo(values);
                break;
            case GgufTensorType.F16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(source), values);
                break;
            case GgufTensorType.Q8_0:
                ConvertQ8(source, values);
                break;
            default:
                throw new InvalidOperationException($"{type} should have been refused when the file was opened.");
        }
    }

    // A block is a float16 scale and 32 signed bytes; a value is their product.
    private static void ConvertQ8(ReadOnlySpan<byte> source, Span<float> values)
    {
        const int length = 32;
        for (int block = 0; block < values.Length / length; block++)
        {
            ReadOnlySpan<byte> bytes = source.Slice(block * (2 + length), 2 + length);
            float scale = (float)BinaryPrimitives.ReadHalfLittleEndian(bytes);
            ReadOnlySpan<sbyte> quants = MemoryMarshal.Cast<byte, sbyte>(bytes[2..]);
            Span<float> target = values.Slice(block * length, length);
            for (int i = 0; i < length; i++) target[i] = scale * quants[i];
        }
    }
}
