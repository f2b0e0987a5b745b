using Grpc.Core;

namespace GrpcLlm.Client;

/// <summary>The caller's credentials as a header of every call. Thread-safe.</summary>
internal sealed class BearerToken(string? apiKey, Func<CancellationToken, ValueTask<string>>? provider)
{
    private const string Header = "authorization";
    private const string Prefix = "Bearer ";

    private readonly string? _value = apiKey is null ? null : Prefix + apiKey;

    /// <summary>Whether a header can carry it: visible ASCII, at least one character.</summary>
    public static bool IsValid(string? token) =>
        token is { Length: > 0 } && !token.AsSpan().ContainsAnyExceptInRange('!', '~');

    /// <summary>The headers of an attempt: the caller's own, and the credentials unless the caller brings others.</summary>
    /// <exception cref="GenerationException">The token provider failed or gave what no header can carry.</exception>
    /// <exception cref="OperationCanceledException">The caller cancelled while the provider was asked.</exception>
    public async ValueTask<Metadata?> AddToAsync(Metadata? headers, CancellationToken cancellationToken)
    {
        if ((_value is null && provider is null) || headers?.Get(Header) is not null) return headers;
        var value = _value ?? Prefix + await AskAsync(provider!, cancellationToken);
        var all = new Metadata { { Header, value } };
        foreach (var entry in headers ?? []) all.Add(entry);
        return all;
    }

    private static async ValueTask<string> AskAsync(
        Func<CancellationToken, ValueTask<string>> provider, CancellationToken cancellationToken)
    {
        string token;
        try
        {
            token = await provider(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception exception)
        {
            // Whatever the caller's provider throws is why the call failed.
            throw Failed("The token provider failed.", exception);
        }

        return IsValid(token) ? token : throw Failed("The token provider gave no token that a header can carry.", null);
    }

    private static GenerationException Failed(string message, Exception? cause) => new(message, cause)
    {
        Kind = GenerationFailureKind.Credentials,
        StatusCode = StatusCode.Unauthenticated,
    };
}
