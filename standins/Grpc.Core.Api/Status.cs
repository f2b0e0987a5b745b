namespace Grpc.Core;

/// <summary>
/// How a call ended: a code and a message for people. Immutable; two are equal if all their parts are.
/// </summary>
public readonly struct Status
{
    /// <summary><see cref="StatusCode.OK"/> with an empty detail.</summary>
    public static readonly Status DefaultSuccess = new(StatusCode.OK, "");

    /// <summary><see cref="StatusCode.Cancelled"/> with an empty detail.</summary>
    public static readonly Status DefaultCancelled = new(StatusCode.Cancelled, "");

    private readonly string? _detail;

    /// <summary>Makes a status without a debug exception.</summary>
    /// <param name="statusCode">The code.</param>
    /// <param name="detail">The message; it is sent to the peer.</param>
    public Status(StatusCode statusCode, string detail)
        : this(statusCode, detail, debugException: null)
    {
    }

    /// <summary>Makes a status.</summary>
    /// <param name="statusCode">The code.</param>
    /// <param name="detail">The message; it is sent to the peer.</param>
    /// <param name="debugException">What caused it, for the local log. Never sent.</param>
    public Status(StatusCode statusCode, string detail, Exception? debugException)
    {
        StatusCode = statusCode;
        _detail = detail;
        DebugException = debugException;
    }

    /// <summary>The code.</summary>
    /// <value><see cref="StatusCode.OK"/> in <c>default(Status)</c>.</value>
    public StatusCode StatusCode { get; }

    /// <summary>The message.</summary>
    /// <value>Empty in <c>default(Status)</c>.</value>
    public string Detail => _detail ?? "";

    /// <summary>What caused this status on this side of the wire, or null. Never sent.</summary>
    public Exception? DebugException { get; }

    /// <summary>Code and detail for a log.</summary>
    /// <returns>For example <c>NotFound: no such model</c>.</returns>
    public override string ToString()
    {
        var text = Detail.Length == 0 ? $"{StatusCode}" : $"{StatusCode}: {Detail}";
        return DebugException is { } cause ? $"{text} (caused by {cause.GetType()}: {cause.Message})" : text;
    }
}
