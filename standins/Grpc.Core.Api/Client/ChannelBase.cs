namespace Grpc.Core;

/// <summary>A connection to a service, shared by its clients. Implementations are thread-safe.</summary>
public abstract class ChannelBase
{
    /// <summary>Makes a channel.</summary>
    /// <param name="target">The service's address.</param>
    /// <exception cref="ArgumentNullException"><paramref name="target"/> is null.</exception>
    protected ChannelBase(string target)
    {
        ArgumentNullException.ThrowIfNull(target);
        Target = target;
    }

    /// <summary>The service's address.</summary>
    public string Target { get; }

    /// <summary>Makes an invoker whose calls use this channel.</summary>
    /// <returns>The invoker.</returns>
    public abstract CallInvoker CreateCallInvoker();

    /// <summary>Closes the channel.</summary>
    /// <returns>Done when it is closed.</returns>
    public Task ShutdownAsync() => ShutdownAsyncCore();

    /// <summary><see cref="ShutdownAsync"/>, from the implementation.</summary>
    /// <returns>Done when it is closed; at once unless overridden.</returns>
    protected virtual Task ShutdownAsyncCore() => Task.CompletedTask;
}
