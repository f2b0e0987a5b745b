using GrpcLlm.Pages;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Ops;

/// <summary>Reads the state of this server from those who keep it. Thread-safe.</summary>
internal sealed class StatusReader(
    Deployments deployments, Readiness readiness, AdmissionQueue queue, ServerMetrics metrics, LoadMonitor load,
    StatusHistory history, TimeProvider time)
{
    /// <summary>How far back the percentiles look.</summary>
    public static readonly TimeSpan LatencyWindow = TimeSpan.FromMinutes(5);

    /// <summary>How far back failures make trouble.</summary>
    public static readonly TimeSpan TroubleWindow = TimeSpan.FromMinutes(1);

    /// <summary>Share of the calls that fail, not by their client's fault, from which on it is told as trouble.</summary>
    public const double TroubleShare = 0.01;

    private static readonly ErrorReason[] Reasons = Enum.GetValues<ErrorReason>();

    /// <summary>The state now.</summary>
    public StatusReport Read()
    {
        var deployment = deployments.Current;
        var steps = history.Read();
        var slots = steps.OfType<HistorySlot>().ToList();
        var (running, waiting, maxConcurrent, maxQueue) = queue.Load;
        var admission = new AdmissionStatus(running, maxConcurrent, waiting, maxQueue);
        var lanes = ReadLanes(deployment, slots);
        var models = ReadModels(deployment, slots);
        var rates = load.Report();
        return new StatusReport
        {
            State = readiness.IsDraining ? ServingState.Draining : readiness.Read().Ready ? ServingState.Ready : ServingState.NotReady,
            Troubles = [.. TroublesOf(admission, lanes, models, CountEnds(Last(steps, TroubleWindow)))],
            Time = time.GetUtcNow(),
            Version = typeof(StatusReader).Assembly.GetName().Version?.ToString(3) ?? "",
            UptimeSeconds = history.Uptime.TotalSeconds,
            Streams = new StreamStatus(
                metrics.StreamsIn(StreamState.Queued), metrics.StreamsIn(StreamState.WaitingForFirstToken),
                metrics.StreamsIn(StreamState.Streaming), metrics.StreamsIn(StreamState.Stalled)),
            Admission = admission,
            TokensPerSecond = rates.NamedMetrics[LoadMonitor.TokensPerSecond],
            CallsPerSecond = rates.RpsFractional,
            Ttft = Merge(Last(steps, LatencyWindow), static slot => slot.TimeToFirstToken),
            Tpot = Merge(Last(steps, LatencyWindow), static slot => slot.TimePerOutputToken),
            Calls = CountEnds(slots),
            Failures = ReadFailures(slots),
            Backends = lanes,
            Models = models,
            StepSeconds = StatusHistory.Step.TotalSeconds,
            Timeline = [.. steps.Select(ReadStep)],
        };
    }

    private static IEnumerable<HistorySlot> Last(IReadOnlyList<HistorySlot?> steps, TimeSpan window) =>
        steps.TakeLast((int)(window / StatusHistory.Step)).OfType<HistorySlot>();

    private static LatencyFigures? Merge(IEnumerable<HistorySlot> slots, Func<HistorySlot, LogHistogram> of)
    {
        var sum = new LogHistogram();
        foreach (var slot in slots) sum.Add(of(slot));
        return sum.Summarize();
    }

    private static CallStatus CountEnds(IEnumerable<HistorySlot> slots)
    {
        var byFault = new long[(int)Fault.Upstream + 1];
        foreach (var slot in slots)
        {
            foreach (var reason in Reasons) byFault[(int)ErrorTable.FaultOf(reason)] += slot.EndsBy(reason);
        }

        return new CallStatus(
            byFault.Sum(), byFault[(int)Fault.None], byFault[(int)Fault.Client], byFault[(int)Fault.Service], byFault[(int)Fault.Upstream]);
    }

    private static StepStatus ReadStep(HistorySlot? slot)
    {
        if (slot is null) return new StepStatus(0, 0, null, null, new Dictionary<string, long>(StringComparer.Ordinal));
        var failed = Reasons.Where(reason => reason != ErrorReason.Unspecified && slot.EndsBy(reason) > 0)
            .ToDictionary(ErrorTable.NameOf, slot.EndsBy, StringComparer.Ordinal);
        return new StepStatus(
            slot.Tokens, failed.Values.Sum() + slot.EndsBy(ErrorReason.Unspecified),
            slot.TimeToFirstToken.Summarize(), slot.TimePerOutputToken.Summarize(), failed);
    }

    private List<FailureStatus> ReadFailures(List<HistorySlot> slots) =>
    [
        .. Reasons.Where(static reason => reason != ErrorReason.Unspecified)
            .Select(reason => (Reason: reason, Count: slots.Sum(slot => slot.EndsBy(reason))))
            .Where(static failure => failure.Count > 0)
            .Select(failure => new FailureStatus(
                ErrorTable.NameOf(failure.Reason), ErrorTable.NameOf(ErrorTable.FaultOf(failure.Reason)), failure.Count,
                history.LastSeen(failure.Reason) ?? time.GetUtcNow()))
            .OrderByDescending(static failure => failure.Count).ThenBy(static failure => failure.Reason, StringComparer.Ordinal),
    ];

    private static List<LaneStatus> ReadLanes(Deployment deployment, List<HistorySlot> slots) =>
    [
        .. deployment.Backends.Values.SelectMany(static backend => backend.Pool.Lanes)
            .OrderBy(static lane => lane.Backend.Name, StringComparer.Ordinal)
            .Select(lane => new LaneStatus(
                lane.Backend.Name, lane.Backend.Kind, lane.KeyLabel,
                OperationalGauges.StateOfBreaker(lane), OperationalGauges.StateOfKey(lane), lane.Obstacle?.Wait.TotalSeconds, lane.Load,
                Attempts(slots, lane, AttemptOutcome.Served), Attempts(slots, lane, AttemptOutcome.Failed),
                Attempts(slots, lane, AttemptOutcome.Cancelled))),
    ];

    private static long Attempts(List<HistorySlot> slots, Lane lane, AttemptOutcome outcome) =>
        slots.Sum(slot => slot.Attempts(lane.Backend.Name, lane.KeyLabel, outcome));

    private static List<ModelStatus> ReadModels(Deployment deployment, List<HistorySlot> slots) =>
    [
        .. deployment.Catalog.Models.Select(model =>
        {
            var calls = slots.ConvertAll(slot => slot.CallsOf(model.Name));
            return new ModelStatus(
                model.Name, [.. model.Routes.Select(static route => route.Backend.Name)],
                model.Routes.Any(static route => route.Pool.IsUsable),
                calls.Sum(static call => call.Ended), calls.Sum(static call => call.Failed));
        }),
    ];

    private static IEnumerable<string> TroublesOf(
        AdmissionStatus admission, List<LaneStatus> lanes, List<ModelStatus> models, CallStatus lately)
    {
        foreach (var model in models.Where(static model => !model.Usable))
            yield return $"Model {model.Name}: none of its backends takes calls now.";
        foreach (var lane in lanes)
        {
            var name = lane.Key.Length > 0 ? $"Backend {lane.Backend}, {lane.Key}" : $"Backend {lane.Backend}";
            if (lane.Breaker != OperationalGauges.Closed) yield return $"{name}: the breaker is {StatusWords.Of(lane.Breaker)}.";
            if (lane.KeyState != OperationalGauges.Usable) yield return $"{name}: the key is {StatusWords.Of(lane.KeyState)}.";
        }

        if (admission.Waiting > 0)
            yield return $"All places are taken: {Figures.Plural(admission.Waiting, "call")} in the queue.";
        var failed = lately.FailedByService + lately.FailedByUpstream;
        if (failed > 0 && failed >= TroubleShare * lately.Ended)
            yield return $"{Figures.Share((double)failed / lately.Ended)} of the last minute's calls failed, and not by their client's fault.";
    }
}
