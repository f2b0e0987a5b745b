using System.Diagnostics.Metrics;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Routing;
using Polly.CircuitBreaker;
using Names = GrpcLlm.Server.Telemetry.TelemetryNames;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// What an operator looks at when callers complain: the queue, and the health of every way into a backend. Read only when
/// somebody collects. A state is told as one series for each of its values, 1 for the one that holds and 0 for the others.
/// Keys appear by their labels. Thread-safe.
/// </summary>
internal sealed class OperationalGauges
{
    /// <summary>State of a breaker that lets every attempt through.</summary>
    public const string Closed = "closed";

    /// <summary>State of a key that is used.</summary>
    public const string Usable = "usable";

    private const string HalfOpen = "half_open";
    private const string Open = "open";
    private const string Resting = "resting";
    private const string Refused = "refused";

    private static readonly string[] BreakerStates = [Closed, HalfOpen, Open];
    private static readonly string[] KeyStates = [Usable, Resting, Refused];

    private readonly Lock _gate = new();
    private readonly HashSet<(string Backend, string Key)> _told = [];
    private readonly Func<IEnumerable<LanePool>> _pools;

    /// <param name="meter">The server's meter.</param>
    /// <param name="queue">The queue.</param>
    /// <param name="pools">The backends as of now.</param>
    public OperationalGauges(Meter meter, AdmissionQueue queue, Func<IEnumerable<LanePool>> pools)
    {
        _pools = pools;
        meter.CreateObservableGauge(
            Names.QueueLength, () => queue.Waiting, "{call}", "Generations that wait for a place.");
        meter.CreateObservableGauge(
            Names.QueueLimit, () => queue.Load.MaxQueue, "{call}", "Generations that may wait; beyond them calls are refused.");
        meter.CreateObservableGauge(
            Names.Running, () => queue.Running, "{call}", "Generations that have a place.");
        meter.CreateObservableGauge(
            Names.BreakerState, () => Observe(BreakerStates, StateOfBreaker), unit: null,
            "State of the circuit breaker of a backend and key: 1 for the one that holds.");
        meter.CreateObservableGauge(
            Names.KeyState, () => Observe(KeyStates, StateOfKey), unit: null,
            "Whether a key of a backend is used: 1 for what holds.");
    }

    /// <summary>State of a lane's circuit breaker: <c>closed</c>, <c>half_open</c> or <c>open</c>.</summary>
    public static string StateOfBreaker(Lane lane) => lane.Breaker.State switch
    {
        CircuitState.Closed => Closed,
        CircuitState.HalfOpen => HalfOpen,
        _ => Open,
    };

    /// <summary>Whether a lane's key is used: <c>usable</c>, <c>resting</c> or <c>refused</c>.</summary>
    public static string StateOfKey(Lane lane) => lane.CurrentRest switch
    {
        null => Usable,
        { KeyRefused: true } => Refused,
        _ => Resting,
    };

    private List<Measurement<int>> Observe(string[] states, Func<Lane, string> stateOf)
    {
        var measurements = new List<Measurement<int>>();
        lock (_gate)
        {
            var gone = _told.ToHashSet();
            foreach (var lane in _pools().SelectMany(static pool => pool.Lanes))
            {
                var series = (lane.Backend.Name, lane.KeyLabel);
                _told.Add(series);
                gone.Remove(series);
                Tell(series, stateOf(lane));
            }

            // A series that is no longer told would stay at its last value: one that a reload removed is in no state.
            foreach (var series in gone) Tell(series, state: "");
        }

        return measurements;

        void Tell((string Backend, string Key) series, string state)
        {
            foreach (var one in states)
            {
                measurements.Add(new Measurement<int>(
                    one == state ? 1 : 0,
                    new(Names.Backend, series.Backend), new(Names.Key, series.Key), new(Names.State, one)));
            }
        }
    }
}
