using System.IO.Compression;

namespace Grpc.Net.Compression;

/// <summary>
/// Compresses messages with deflate in the zlib format, which is what HTTP means by that name. Thread-safe.
/// </summary>
/// <param name="defaultCompressionLevel">The level for a message that asks for none.</param>
public class DeflateCompressionProvider(CompressionLevel defaultCompressionLevel) : ICompressionProvider
{
    /// <inheritdoc/>
    /// <value><c>deflate</c></value>
    public string EncodingName => "deflate";

    /// <inheritdoc/>
    public Stream CreateCompressionStream(Stream stream, CompressionLevel? compressionLevel) =>
        new ZLibStream(stream, compressionLevel ?? defaultCompressionLevel, leaveOpen: true);

    /// <inheritdoc/>
    public Stream CreateDecompressionStream(Stream stream) => new ZLibStream(stream, CompressionMode.Decompress);
}
