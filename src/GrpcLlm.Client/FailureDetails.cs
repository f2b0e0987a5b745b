using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.V1;
using RpcStatus = Google.Rpc.Status;

namespace GrpcLlm.Client;

/// <summary>
/// The trailers of a failed call, decoded. Whatever is missing, or cannot be read because something between client and
/// server mangled it, is left out: a failure must never be hidden by a failure to read it.
/// </summary>
internal sealed class FailureDetails
{
    private const string Domain = "grpcllm";
    private const string SummaryTrailer = "generation-summary-bin";
    private const string ReasonPrefix = "ERROR_REASON_";

    /// <summary>Longest wait taken from a server; more is a broken value.</summary>
    private static readonly TimeSpan MaxRetryAfter = TimeSpan.FromDays(1);

    private static readonly EnumDescriptor Reasons =
        GenerationReflection.Descriptor.FindTypeByName<EnumDescriptor>(nameof(ErrorReason));

    private FailureDetails(Metadata trailers)
    {
        RequestId = Text(trailers, "request-id") ?? "";
        Summary = SummaryIn(trailers);

        foreach (var detail in Read(trailers, "grpc-status-details-bin", RpcStatus.Parser)?.Details ?? [])
        {
            // A mesh may add an ErrorInfo of its own; only ours speaks for the generation.
            if (Unpack<ErrorInfo>(detail) is { Domain: Domain } info) Info = info;
            else if (Unpack<RetryInfo>(detail) is { RetryDelay: { } delay }) RetryAfter = Wait(delay.Seconds * 1000d + delay.Nanos / 1e6);
            else if (Unpack<BadRequest>(detail) is { } bad)
                Violations = [.. bad.FieldViolations.Select(v => new RequestViolation(v.Field, v.Description))];
        }

        if (Text(trailers, "grpc-retry-pushback-ms") is not { } pushback) return;
        var wait = Wait(Number(pushback) ?? -1);
        ForbidsRetry = wait is null;
        RetryAfter ??= wait;
    }

    /// <summary>The server's own ErrorInfo; null if the failure is not the server's word.</summary>
    public ErrorInfo? Info { get; }

    public TimeSpan? RetryAfter { get; }

    /// <summary>Whether the server forbids to try again by a pushback that is no wait; unreadable counts, as gRPC has it.</summary>
    public bool ForbidsRetry { get; }

    public IReadOnlyList<RequestViolation> Violations { get; } = [];

    public GenerationSummary? Summary { get; }

    public string RequestId { get; }

    /// <summary>The reason; UNSPECIFIED also for one that is newer than this client.</summary>
    public ErrorReason Reason =>
        Info is null ? default : (ErrorReason)(Reasons.FindValueByName(ReasonPrefix + Info.Reason)?.Number ?? 0);

    public ulong? LastSequence => Number(Value("last_sequence")) is >= 0 and var n ? (ulong)n : null;

    public uint? StreamedTokens => Number(Value("streamed_tokens")) is >= 0 and <= uint.MaxValue and var n ? (uint)n : null;

    public bool? RetrySafe => bool.TryParse(Value("retry_safe"), out var safe) ? safe : null;

    public string Backend => Value("backend") ?? "";

    /// <summary>Decodes trailers; never throws.</summary>
    public static FailureDetails Of(Metadata trailers) => new(trailers);

    /// <summary>The summary among trailers; null if there is none that can be read.</summary>
    public static GenerationSummary? SummaryIn(Metadata trailers) =>
        Read(trailers, SummaryTrailer, GenerationSummary.Parser);

    private static T? Read<T>(Metadata trailers, string name, MessageParser<T> parser) where T : class, IMessage<T>
    {
        var entry = trailers.Get(name);
        if (entry is not { IsBinary: true }) return null;
        try
        {
            return parser.ParseFrom(entry.ValueBytes);
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }
    }

    private static T? Unpack<T>(Any detail) where T : class, IMessage<T>, new()
    {
        try
        {
            return detail.TryUnpack<T>(out var message) ? message : null;
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }
    }

    /// <summary>A wait in milliseconds; none for a negative one (a pushback of -1: do not retry) or nonsense.</summary>
    private static TimeSpan? Wait(double milliseconds) =>
        milliseconds >= 0 && milliseconds <= MaxRetryAfter.TotalMilliseconds ? TimeSpan.FromMilliseconds(milliseconds) : null;

    private static string? Text(Metadata trailers, string name) =>
        trailers.Get(name) is { IsBinary: false } entry ? entry.Value : null;

    private static long? Number(string? text) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) ? value : null;

    private string? Value(string key) => Info is not null && Info.Metadata.TryGetValue(key, out var value) ? value : null;
}
