using Grpc.Core;
using GrpcLlm.Client;
using GrpcLlm.V1;

namespace GrpcLlm.Cli;

/// <summary>What the process tells its caller.</summary>
internal static class ExitCodes
{
    public const int Well = 0;
    public const int Failed = 1;
    public const int Usage = 2;
    public const int ObjectiveMissed = 3;
    public const int Rejected = 4;
    public const int NotAllowed = 5;
    public const int Unavailable = 6;
    public const int CutShort = 7;
    public const int Interrupted = 130;

    /// <summary>The codes as <c>--help</c> lists them.</summary>
    public static readonly IReadOnlyList<(int Code, string Meaning)> Documented =
    [
        (Well, "well"),
        (Failed, "failed otherwise"),
        (Usage, "wrong usage"),
        (ObjectiveMissed, "a benchmark missed its service level objectives or its error budget"),
        (Rejected, "request rejected"),
        (NotAllowed, "not authenticated or forbidden"),
        (Unavailable, "unavailable: no server, overloaded, over a limit or no token in time"),
        (CutShort, "cut short after the first token, by a failure, a budget or a cancel"),
        (Interrupted, "interrupted"),
    ];

    /// <summary>The code of a failed call.</summary>
    public static int Of(GenerationException failure)
    {
        // Truncation is never anything else, even where the stream was cut before it counted a token.
        if (failure.StreamedTokens > 0 || failure.StatusCode == StatusCode.DataLoss) return CutShort;
        return failure.StatusCode switch
        {
            StatusCode.InvalidArgument or StatusCode.NotFound or StatusCode.FailedPrecondition
                or StatusCode.OutOfRange => Rejected,
            StatusCode.Unauthenticated or StatusCode.PermissionDenied => NotAllowed,
            StatusCode.Unavailable or StatusCode.ResourceExhausted or StatusCode.DeadlineExceeded => Unavailable,
            _ => Failed,
        };
    }

    /// <summary>
    /// The code of a finished answer. A limit on tokens is what was asked for; time, quota or somebody's cancel leave an
    /// answer that a script must not take for complete.
    /// </summary>
    public static int Of(FinishReason reason) => reason switch
    {
        FinishReason.TimeBudget or FinishReason.Quota or FinishReason.Cancelled => CutShort,
        _ => Well,
    };
}
