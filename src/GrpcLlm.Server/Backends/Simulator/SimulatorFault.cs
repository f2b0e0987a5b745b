using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.Server.Requests;

namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>What goes wrong with a simulated answer.</summary>
internal enum SimulatorFaultKind
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>An HTTP status at once; after tokens, an error inside the stream that names the status.</summary>
    Status,

    /// <summary>The connection is refused, at once.</summary>
    Refused,

    /// <summary>Silence, until the limit on silence ends it.</summary>
    Stall,

    /// <summary>The connection breaks.</summary>
    Reset,

    /// <summary>The stream ends without a finish reason.</summary>
    Truncate,

    /// <summary>An event that cannot be read.</summary>
    Malformed,

    /// <summary>The answer is right and takes several times as long.</summary>
    Slow,
}

/// <summary>
/// One fault. It becomes the same <see cref="BackendException"/> that a provider's would, so that retries, failover,
/// breakers and telemetry see no difference but the word <c>simulated</c>. Immutable.
/// </summary>
/// <param name="Kind">What it is.</param>
internal sealed record SimulatorFault(SimulatorFaultKind Kind)
{
    /// <summary>The words for all kinds, for messages.</summary>
    public const string Words = "an HTTP status from 400 to 599, refused, stall, reset, truncate, malformed or slow";

    private const uint MaxTokens = 1_000_000;

    /// <summary>Nothing goes wrong.</summary>
    public static SimulatorFault None { get; } = new(SimulatorFaultKind.None);

    /// <summary>With <see cref="SimulatorFaultKind.Status"/>.</summary>
    public int Status { get; init; }

    /// <summary>Tokens that come before it.</summary>
    public uint AfterTokens { get; init; }

    /// <summary>With a status: when it says to come back. Default: <see cref="ErrorTable.DefaultRetryAfter"/> with 429.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>How many times longer the answer takes; 1 unless <see cref="SimulatorFaultKind.Slow"/>, then 10.</summary>
    public double Factor { get; init; } = Kind == SimulatorFaultKind.Slow ? 10 : 1;

    /// <summary>Whether the request gets no further than the door: it takes no slot.</summary>
    public bool IsRefusal =>
        Kind == SimulatorFaultKind.Refused || (Kind == SimulatorFaultKind.Status && AfterTokens == 0);

    /// <summary>Whether it comes in place of something that can come later or not at all, so that tokens may precede it.</summary>
    public bool MayFollowTokens => Kind is not (SimulatorFaultKind.None or SimulatorFaultKind.Refused or SimulatorFaultKind.Slow);

    /// <summary>Whether it comes in place of the token with this index, or of the end behind the last one.</summary>
    public bool Breaks(uint index) => MayFollowTokens && AfterTokens == index;

    /// <summary>What the call sees of it; not of <see cref="SimulatorFaultKind.None"/> and slow ones.</summary>
    public BackendException ToException() => Kind switch
    {
        SimulatorFaultKind.Status when AfterTokens > 0 => UpstreamRefusal.InStream(Status, "simulated"),
        SimulatorFaultKind.Status => UpstreamRefusal.Of(
            Status, "simulated", retryAfter: RetryAfter ?? (Status == 429 ? ErrorTable.DefaultRetryAfter : null)),
        SimulatorFaultKind.Refused =>
            new BackendException(BackendFailure.Unavailable, "The backend refuses connections (simulated)."),
        SimulatorFaultKind.Stall => BackendException.Stalled(AfterTokens > 0),
        SimulatorFaultKind.Reset =>
            new BackendException(BackendFailure.Truncated, "The connection to the backend broke (simulated)."),
        SimulatorFaultKind.Truncate => new BackendException(BackendFailure.Truncated, "The backend's answer broke off (simulated)."),
        SimulatorFaultKind.Malformed => new BackendException(BackendFailure.Malformed, "The backend sent what cannot be read (simulated)."),
        _ => throw new InvalidOperationException($"{Kind} breaks nothing."),
    };

    /// <summary>Reads a word such as <c>reset</c> or <c>429</c>.</summary>
    public static bool TryParseKind(string word, [NotNullWhen(true)] out SimulatorFault? fault)
    {
        fault = word.ToLowerInvariant() switch
        {
            "none" => None,
            "refused" => new SimulatorFault(SimulatorFaultKind.Refused),
            "stall" => new SimulatorFault(SimulatorFaultKind.Stall),
            "reset" => new SimulatorFault(SimulatorFaultKind.Reset),
            "truncate" => new SimulatorFault(SimulatorFaultKind.Truncate),
            "malformed" => new SimulatorFault(SimulatorFaultKind.Malformed),
            "slow" => new SimulatorFault(SimulatorFaultKind.Slow),
            _ when int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var status) && status is >= 400 and <= 599 =>
                new SimulatorFault(SimulatorFaultKind.Status) { Status = status },
            _ => null,
        };
        return fault is not null;
    }

    /// <summary>Reads a word with the tokens that come before it, such as <c>reset@10</c>.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out SimulatorFault? fault)
    {
        var at = text.IndexOf('@', StringComparison.Ordinal);
        if (!TryParseKind(at < 0 ? text : text[..at], out fault)) return false;
        if (at < 0) return true;
        if (!fault.MayFollowTokens
            || !uint.TryParse(text.AsSpan(at + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var tokens)
            || tokens > MaxTokens) return false;
        fault = fault with { AfterTokens = tokens };
        return true;
    }

    /// <summary>The fault of valid settings.</summary>
    public static SimulatorFault Of(SimulatorFaultOptions options)
    {
        if (!TryParseKind(options.Kind, out var fault)) throw new ArgumentException("Not checked.", nameof(options));
        return fault with
        {
            AfterTokens = (uint)options.AfterTokens,
            RetryAfter = options.RetryAfter,
            Factor = options.Factor ?? fault.Factor,
        };
    }
}
