using System.Diagnostics;
using GrpcLlm.Server.Telemetry;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// Sends the trace context upstream (W3C Trace Context: <c>traceparent</c>, <c>tracestate</c>), and nothing else: baggage is
/// the callers' own data, and a provider is a third party. What is named as the parent is a span that somebody records; where
/// the service records none, the caller's own, so that the trace does not break here. Stateless and thread-safe.
/// </summary>
internal sealed class UpstreamPropagator : DistributedContextPropagator
{
    private const string TraceParent = "traceparent";
    private const string TraceState = "tracestate";

    // Whoever listens to the handler's source listens to this one.
    private static readonly ActivitySource HandlerSource = new(SpanNames.HttpSourceName);

    private static readonly UpstreamPropagator Instance = new();

    public override IReadOnlyCollection<string> Fields { get; } = [TraceParent, TraceState];

    /// <summary>
    /// Sends a request without a span where nobody records any. The handler would make one all the same, and write each
    /// exception into it with its stack trace, which costs as much as all else that a cancel does in the handler. Leaves the
    /// caller's flow without a current span: call it from an async method that does nothing but send.
    /// </summary>
    public static void SpareSpan(HttpRequestMessage request)
    {
        if (Activity.Current is not { } current || current.Source.HasListeners() || HandlerSource.HasListeners()) return;
        Instance.Inject(
            current, request, static (carrier, name, value) => ((HttpRequestMessage)carrier!).Headers.TryAddWithoutValidation(name, value));
        Activity.Current = null;
    }

    public override void Inject(Activity? activity, object? carrier, PropagatorSetterCallback? setter)
    {
        if (activity is null || setter is null) return;

        // The handler makes a span for itself even if nobody wants it; its id would then stand for nothing.
        var span = activity;
        while (!span.Source.HasListeners() && span.Parent is { } parent) span = parent;
        if (span.IdFormat != ActivityIdFormat.W3C) return;
        var id = span.Source.HasListeners() ? span.Id : span.ParentId;
        if (id is null) return;
        setter(carrier, TraceParent, id);
        if (!string.IsNullOrEmpty(span.TraceStateString)) setter(carrier, TraceState, span.TraceStateString);
    }

    /// <summary>Nothing: requests are only sent with it.</summary>
    public override void ExtractTraceIdAndState(
        object? carrier, PropagatorGetterCallback? getter, out string? traceId, out string? traceState)
    {
        traceId = null;
        traceState = null;
    }

    /// <inheritdoc cref="ExtractTraceIdAndState"/>
    public override IEnumerable<KeyValuePair<string, string?>>? ExtractBaggage(object? carrier, PropagatorGetterCallback? getter) => null;
}
