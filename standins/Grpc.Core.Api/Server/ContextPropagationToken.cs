namespace Grpc.Core;

/// <summary>
/// What a server call passes on to the calls made on its behalf. Opaque: a server makes it, a client of the same
/// implementation reads it. Grpc.AspNetCore makes none.
/// </summary>
public abstract class ContextPropagationToken
{
    private protected ContextPropagationToken()
    {
    }
}
