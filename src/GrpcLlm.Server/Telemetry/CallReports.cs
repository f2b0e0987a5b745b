namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// Tells of a generation once, when it ended, whichever way: content where that is wanted, the usage record, cost, spans.
/// Thread-safe.
/// </summary>
internal sealed class CallReports(UsageRecordLog usageRecords, CostMetrics costs, ContentLog content)
{
    /// <summary>Writes all of them.</summary>
    /// <param name="http">The call's request, whose span is completed.</param>
    /// <param name="record">What is known of the call.</param>
    public void Write(HttpContext http, GenerationRecord record)
    {
        usageRecords.Write(record);
        costs.Add(record);
        content.Write(record);
        record.ServingSpan?.EndServed(record);
        ServerSpan.Tell(http, record);
    }
}
