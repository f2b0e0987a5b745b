using GrpcLlm.Cli.Output;

namespace GrpcLlm.Cli.Bench.Measurement;

/// <summary>How a stream ended, in the words of the results. Stateless.</summary>
internal static class StreamOutcome
{
    /// <summary>A call that was cancelled on purpose.</summary>
    public const string Cut = "cut";

    /// <summary>A call that was still running when the run was over.</summary>
    public const string Unfinished = "unfinished";

    /// <summary>The finish reason in lower case, or the reason of the error in upper case.</summary>
    public static string Of(StreamTrace trace) => trace.End switch
    {
        StreamEnd.Finished => Words.Of(trace.Finish!.Reason),
        StreamEnd.Cut => Cut,
        StreamEnd.Failed => ReasonOf(trace),
        _ => Unfinished,
    };

    /// <summary>Whether it ended well.</summary>
    public static bool IsSuccess(StreamTrace trace) => trace.End is StreamEnd.Finished or StreamEnd.Cut;

    /// <summary>The gRPC status in upper case.</summary>
    public static string StatusOf(StreamTrace trace) =>
        trace.Failure is { } failure ? Words.UpperOf(failure.StatusCode) : trace.End == StreamEnd.Finished ? "OK" : "CANCELLED";

    private static string ReasonOf(StreamTrace trace) =>
        trace.Failure!.ReasonName is { Length: > 0 } reason ? reason : StatusOf(trace);
}
