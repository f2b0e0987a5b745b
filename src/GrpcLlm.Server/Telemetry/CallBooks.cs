namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// What is kept of every call of Generate, whatever its end: one usage record, one count of its end, gauges that return to
/// zero. Thread-safe.
/// </summary>
internal sealed class CallBooks(ServerMetrics metrics, UsageRecordLog usageRecords)
{
    /// <summary>Begins a call: it is in the gauges until it is closed.</summary>
    public CallStates Open(GenerationRecord record)
    {
        record.Metrics = metrics;
        var states = new CallStates(metrics);
        states.Accept();
        return states;
    }

    /// <summary>Ends a call that is open. Each step is taken, whatever becomes of the one before.</summary>
    public void Close(GenerationRecord record, CallStates states)
    {
        try
        {
            Close(record);
        }
        finally
        {
            // Last: whoever sees the gauge at zero finds the rest done.
            states.Finish();
        }
    }

    /// <summary>Ends a call that never came into the gauges.</summary>
    public void Close(GenerationRecord record)
    {
        try
        {
            usageRecords.Write(record);
        }
        finally
        {
            metrics.CallEnded(record);
        }
    }
}
