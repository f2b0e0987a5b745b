using System.Runtime.CompilerServices;

namespace Grpc.Core;

/// <summary>Lets a message stream be read with <c>await foreach</c>.</summary>
public static class AsyncStreamReaderExtensions
{
    /// <summary>The messages of a stream, in order, until it ends or fails.</summary>
    /// <param name="streamReader">
    /// The stream. It can be read once: a second enumeration goes on where the first stopped.
    /// </param>
    /// <param name="cancellationToken">Cancels the read in progress, which ends the whole call.</param>
    /// <typeparam name="T">The message type.</typeparam>
    /// <returns>A sequence that reads nothing before it is enumerated.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="streamReader"/> is null; thrown at once.</exception>
    public static IAsyncEnumerable<T> ReadAllAsync<T>(
        this IAsyncStreamReader<T> streamReader,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(streamReader);
        return Enumerate(streamReader, cancellationToken);
    }

    private static async IAsyncEnumerable<T> Enumerate<T>(
        IAsyncStreamReader<T> reader,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (await reader.MoveNext(cancellationToken))
        {
            yield return reader.Current;
        }
    }
}
