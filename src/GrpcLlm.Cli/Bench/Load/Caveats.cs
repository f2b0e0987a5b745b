using System.Globalization;
using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Cli.Bench.Load;

/// <summary>What a reader has to know to judge the numbers of a run. Stateless.</summary>
internal static class Caveats
{
    /// <summary>Streams on a connection from which on a server's limit may be met: the default of Kestrel and of grpc-go's peers.</summary>
    private const int UsualStreamLimit = 100;

    /// <summary>Share of all processors from which on this program may be what limits the rate.</summary>
    private const double BusyShare = 0.7;

    /// <summary>Values that a percentile needs above it, or it is one stream's luck.</summary>
    private const int LeastAbove = 10;

    /// <summary>The sentences.</summary>
    public static IReadOnlyList<string> Of(BenchRun run, LoadPlan plan, int mostOpen, ProcessCost cost)
    {
        var caveats = new List<string>(plan.Notes);
        if (run.Environment.SharesMachineWithTarget == true)
            caveats.Add("The target is on this machine: both share its processors, and the network is the loopback.");
        if (!plan.IsOpen)
            caveats.Add("Closed loop: a slow answer delays the next call, so times under a given rate of arrivals would be worse; measure them with --rps.");
        if (plan is { Warmup.Ticks: 0, SkipFirst: 0 })
            caveats.Add("Nothing was left out as warm-up (--warmup): cold connections and code are in the figures.");
        if (mostOpen > UsualStreamLimit * plan.Connections)
            caveats.Add($"Up to {mostOpen} streams were open on {plan.Connections} connection(s); many servers take {UsualStreamLimit} each, and more wait in this program, which counts as TTFT.");
        if (run.Metrics.TryGetValue(MetricNames.E2e, out var e2e) && e2e.Count < 100 * LeastAbove)
            caveats.Add($"{e2e.Count} streams: p99 and p99.9 rest on fewer than {LeastAbove} of them.");
        if (run.Metrics.TryGetValue(MetricNames.ScheduleDelay, out var delay) && delay.P99 > 5)
            caveats.Add(Text($"Calls were sent late (p99 {delay.P99:0.0} ms): this machine does not keep up with the plan. The delay is in TTFT and E2E."));
        if (run.Environment.Processors > 0 && cost.Processors > BusyShare * run.Environment.Processors)
            caveats.Add(Text($"This program used {cost.Processors:0.0} of {run.Environment.Processors} processors and may be the bottleneck."));
        if (cost.GcPauses > cost.Elapsed / 100)
            caveats.Add(Text($"This program stood still for {cost.GcPauses.TotalMilliseconds:0} ms in garbage collections."));
        if (plan.StreamCallCount is { } messages)
            caveats.Add($"Calls were cancelled on purpose after message {messages}: E2E is the time to it, and slots are free earlier than with whole answers.");
        return caveats;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
