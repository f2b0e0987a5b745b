using System.IO.Compression;

namespace Grpc.Net.Compression;

/// <summary>Compresses messages with gzip. Thread-safe.</summary>
/// <param name="defaultCompressionLevel">The level for a message that asks for none.</param>
public class GzipCompressionProvider(CompressionLevel defaultCompressionLevel) : ICompressionProvider
{
    /// <inheritdoc/>
    /// <value><c>gzip</c></value>
    public string EncodingName => "gzip";

    /// <inheritdoc/>
    public Stream CreateCompressionStream(Stream stream, CompressionLevel? compressionLevel) =>
        new GZipStream(stream, compressionLevel ?? defaultCompressionLevel, leaveOpen: true);

    /// <inheritdoc/>
    public Stream CreateDecompressionStream(Stream stream) => new GZipStream(stream, CompressionMode.Decompress);
}
