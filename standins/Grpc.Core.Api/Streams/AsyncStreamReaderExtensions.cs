namespace Grpc.Core;

/// <summary>Shorthands for reading a message stream.</summary>
public static class AsyncStreamReaderExtensions
{
    /// <summary>Reads the next message, with nothing to cancel the read.</summary>
    /// <param name="streamReader">The stream.</param>
    /// <typeparam name="T">The message type.</typeparam>
    /// <returns>True if there is one; false at the end of the stream.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="streamReader"/> is null.</exception>
    public static Task<bool> MoveNext<T>(this IAsyncStreamReader<T> streamReader)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(streamReader);
        return streamReader.MoveNext(CancellationToken.None);
    }
}
