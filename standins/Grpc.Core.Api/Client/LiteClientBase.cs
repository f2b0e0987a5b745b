namespace Grpc.Core;

/// <summary>Base of the clients that Grpc.Tools generates with its <c>lite_client</c> option.</summary>
public abstract class LiteClientBase
{
    /// <summary>Makes a client on an invoker.</summary>
    /// <param name="callInvoker">Makes the calls.</param>
    /// <exception cref="ArgumentNullException"><paramref name="callInvoker"/> is null.</exception>
    public LiteClientBase(CallInvoker callInvoker)
    {
        ArgumentNullException.ThrowIfNull(callInvoker);
        CallInvoker = callInvoker;
    }

    /// <summary>
    /// Makes a test double: every call it does not override throws <see cref="NotImplementedException"/>.
    /// </summary>
    protected LiteClientBase()
        : this(new UnimplementedCallInvoker())
    {
    }

    /// <summary>Makes the calls.</summary>
    protected CallInvoker CallInvoker { get; }
}
