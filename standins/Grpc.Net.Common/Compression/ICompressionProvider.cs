using System.IO.Compression;

namespace Grpc.Net.Compression;

/// <summary>
/// One way to compress messages. Implementations are used by many calls at once and must be thread-safe.
/// </summary>
public interface ICompressionProvider
{
    /// <summary>The name in the <c>grpc-encoding</c> and <c>grpc-accept-encoding</c> headers.</summary>
    string EncodingName { get; }

    /// <summary>Makes a stream that compresses what is written to it.</summary>
    /// <param name="stream">Takes the compressed bytes; stays open when the returned stream is disposed.</param>
    /// <param name="compressionLevel">The level, or null for the provider's own default.</param>
    /// <returns>A stream to write to; disposing it writes what is still buffered.</returns>
    Stream CreateCompressionStream(Stream stream, CompressionLevel? compressionLevel);

    /// <summary>Makes a stream that reads compressed bytes and gives plain ones.</summary>
    /// <param name="stream">Gives the compressed bytes; disposed with the returned stream.</param>
    /// <returns>A stream to read from.</returns>
    Stream CreateDecompressionStream(Stream stream);
}
