namespace Grpc.Core;

/// <summary>The response stream of a call, on the server. It ends when the handler returns.</summary>
/// <typeparam name="T">The message type.</typeparam>
public interface IServerStreamWriter<in T> : IAsyncStreamWriter<T>
{
}
