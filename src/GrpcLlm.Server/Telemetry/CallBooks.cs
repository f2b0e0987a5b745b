namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// What is kept of every call of Generate, whatever its end: one usage record, one count of its end, cost, completed spans,
/// content where that is wanted, a place in the status page's history, gauges that return to zero. Thread-safe.
/// </summary>
internal sealed class CallBooks(
    ServerMetrics metrics, CostMetrics costs, StatusHistory history, UsageRecordLog usageRecords, ContentLog content)
{
    /// <summary>Begins a call: it is in the gauges until it is closed.</summary>
    public CallStates Open(GenerationRecord record)
    {
        record.Metrics = metrics;
        record.History = history;
        var states = new CallStates(metrics);
        states.Accept();
        return states;
    }

    /// <summary>Ends a call that is open. Each step is taken, whatever becomes of the one before.</summary>
    /// <param name="http">The call's request, whose span is completed.</param>
    /// <param name="record">What is known of the call.</param>
    /// <param name="states">Its place in the gauges.</param>
    public void Close(HttpContext http, GenerationRecord record, CallStates states)
    {
        try
        {
            Close(http, record);
        }
        finally
        {
            // Last: whoever sees the gauge at zero finds the rest done.
            states.Finish();
        }
    }

    /// <summary>Ends a call that never came into the gauges.</summary>
    /// <param name="http">The call's request, whose span is completed.</param>
    /// <param name="record">What is known of the call.</param>
    public void Close(HttpContext http, GenerationRecord record)
    {
        try
        {
            usageRecords.Write(record);
        }
        finally
        {
            history.CallEnded(record);
            metrics.CallEnded(record);
            costs.Add(record);
            record.ServingSpan?.EndServed(record);
            ServerSpan.Tell(http, record);
            content.Write(record);
        }
    }
}
