using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Routing;

/// <summary>
/// One attempt from its start to the end of its stream: its place on the lane, its own cancellation, what it told. The
/// cancellation is linked to the call's token, never to a strategy's: those are taken back when the opening is over.
/// </summary>
internal sealed class RunningAttempt : IDisposable
{
    private readonly CancellationTokenSource _source;
    private readonly TimeProvider _time;
    private int _disposed;

    public RunningAttempt(AttemptPlan plan, PlannedAttempt planned, Attempt log)
    {
        Planned = planned;
        Log = log;
        _time = plan.Clock.TimeProvider;
        _source = CancellationTokenSource.CreateLinkedTokenSource(plan.CallToken);
        Lane.Enter();
    }

    /// <summary>As it was planned.</summary>
    public PlannedAttempt Planned { get; }

    /// <summary>The lane it takes.</summary>
    public Lane Lane => Planned.Lane;

    /// <summary>What the summary tells of it; guarded by its plan until the plan is closed.</summary>
    public Attempt Log { get; }

    /// <summary>The attempt beside which it was started; null unless it is a hedge.</summary>
    public RunningAttempt? Beside { get; init; }

    /// <summary>Its span; null while nobody listens.</summary>
    public AttemptSpan? Span { get; private set; }

    /// <summary>Whether it waits for a slot of its backend; guarded by its plan.</summary>
    public bool IsQueued { get; set; }

    /// <summary>What the backend told before its first token.</summary>
    public BackendOpening? Opening { get; set; }

    /// <summary>The last usage that the backend reported.</summary>
    public Usage? ReportedUsage { get; set; }

    /// <summary>Ends it, and its stream.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>Ends the attempt when a strategy gives it up; dispose the registration once its first token is at hand.</summary>
    public CancellationTokenRegistration GiveUpWith(CancellationToken strategyToken) =>
        strategyToken.UnsafeRegister(static state => ((CancellationTokenSource)state!).Cancel(), _source);

    /// <summary>Starts the span, as the current one of the caller's flow.</summary>
    public void StartSpan(BackendCall call) => Span = AttemptSpan.Start(Lane.Backend, call, Log, Beside?.Span);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;

        // The span of the one that served is completed with its call.
        if (Log.Outcome == AttemptOutcome.Served) Span?.StreamEnded(_time.GetUtcNow());
        else Span?.End(Log, Opening);
        Lane.Leave();
        _source.Dispose();
    }
}
