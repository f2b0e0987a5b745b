using System.Collections.Concurrent;
using System.Diagnostics;
using Grpc.Core;
using GrpcLlm.Server.Telemetry;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>
/// Records the spans of one trace that a test makes up, and no others: sources are the process's own, so tests that run at
/// the same time would see each other's.
/// </summary>
internal sealed class CollectedSpans : IDisposable
{
    /// <summary>Source of the spans that .NET's HTTP handler makes.</summary>
    public const string HttpSource = "System.Net.Http";

    private readonly ConcurrentQueue<Activity> _started = new();
    private readonly ConcurrentQueue<Activity> _ended = new();
    private readonly ActivityTraceId _traceId = ActivityTraceId.CreateRandom();
    private readonly ActivityListener _listener;

    /// <param name="alsoHttp">Whether the spans of .NET's HTTP handler are recorded too.</param>
    public CollectedSpans(bool alsoHttp = false)
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name is SpanNames.SourceName or SpanNames.HostSourceName
                || (alsoHttp && source.Name == HttpSource),
            Sample = (ref ActivityCreationOptions<ActivityContext> options) =>
                options.TraceId == _traceId ? ActivitySamplingResult.AllDataAndRecorded : ActivitySamplingResult.None,
            ActivityStarted = activity => Keep(_started, activity),
            ActivityStopped = activity => Keep(_ended, activity),
        };
        ActivitySource.AddActivityListener(_listener);
    }

    /// <summary>The caller's own span.</summary>
    public ActivitySpanId CallerSpan { get; } = ActivitySpanId.CreateRandom();

    /// <summary>Id of the trace, as in usage records.</summary>
    public string TraceId => _traceId.ToHexString();

    /// <summary>What the caller sends as <c>traceparent</c>.</summary>
    public string TraceParent => $"00-{TraceId}-{CallerSpan.ToHexString()}-01";

    /// <summary>Metadata of a call that is part of the trace; with baggage and a state, as a tracer would send them.</summary>
    public Metadata Metadata => new() { { "traceparent", TraceParent }, { "tracestate", "vendor=1" }, { "baggage", "user=secret-baggage" } };

    /// <summary>All spans that ended.</summary>
    public IReadOnlyCollection<Activity> Ended => _ended;

    /// <summary>Spans of attempts, in the order in which they began.</summary>
    public IReadOnlyList<Activity> Attempts => [.. _started.Where(static span => span.Source.Name == SpanNames.SourceName)];

    /// <summary>The call's span, once it and all others have ended, each once.</summary>
    public async Task<Activity> CallEndedAsync()
    {
        await Eventually.IsAsync(() =>
            _ended.Any(static span => span.Source.Name == SpanNames.HostSourceName) && _ended.Count == _started.Count);
        _ended.Distinct().Count().ShouldBe(_ended.Count);
        return _ended.Single(static span => span.Source.Name == SpanNames.HostSourceName);
    }

    /// <summary>The traceparent that names a span.</summary>
    public static string TraceParentOf(Activity span) => $"00-{span.TraceId}-{span.SpanId}-01";

    /// <summary>Attributes of a span whose names begin so, as <c>name=value</c>, ordered; arrays in brackets.</summary>
    public static IReadOnlyList<string> Tags(Activity span, params string[] prefixes) =>
    [
        .. span.TagObjects
            .Where(tag => prefixes.Length == 0 || Array.Exists(prefixes, prefix => tag.Key.StartsWith(prefix, StringComparison.Ordinal)))
            .Select(static tag => FormattableString.Invariant($"{tag.Key}={(tag.Value is string[] all ? $"[{string.Join(',', all)}]" : tag.Value)}"))
            .Order(StringComparer.Ordinal),
    ];

    public void Dispose() => _listener.Dispose();

    // What another listener wants recorded is told to all.
    private void Keep(ConcurrentQueue<Activity> spans, Activity activity)
    {
        if (activity.TraceId == _traceId) spans.Enqueue(activity);
    }
}
