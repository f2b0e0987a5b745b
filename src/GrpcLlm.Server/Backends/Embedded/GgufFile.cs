using System.IO.MemoryMappedFiles;
using GrpcLlm.Server.Backends.Embedded.Kernels;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// A GGUF model file, memory-mapped for reading. The operating system loads only pages that are touched. The file must
/// not be cut short while it is open; replace it by renaming another over it. Thread-safe until disposed.
/// </summary>
internal sealed class GgufFile : IDisposable
{
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private unsafe byte* _start;

    private unsafe GgufFile(MemoryMappedFile file, long length)
    {
        _file = file;
        _view = file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        try
        {
            (Metadata, Tensors) = GgufHeader.Read(new GgufCursor(_view.SafeMemoryMappedViewHandle, length));
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
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

    /// <summary>Opens a file and reads its head; weights are read where they lie.</summary>
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

    /// <summary>A tensor where it lies; valid until the file is disposed.</summary>
    public unsafe WeightMatrix Map(GgufTensor tensor) => new((nint)(_start + tensor.Offset), tensor);

    public unsafe void Dispose()
    {
        if (_start == null) return;
        _start = null;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }
}
