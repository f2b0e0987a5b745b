namespace Grpc.Core;

/// <summary>The request stream of a call, on the client.</summary>
/// <typeparam name="T">The message type.</typeparam>
public interface IClientStreamWriter<in T> : IAsyncStreamWriter<T>
{
    /// <summary>Ends the request stream. Call it once, after the last write.</summary>
    /// <returns>Done when the end has been sent.</returns>
    Task CompleteAsync();
}
