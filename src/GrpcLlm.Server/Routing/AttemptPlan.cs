using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;
using Polly;

namespace GrpcLlm.Server.Routing;

/// <summary>An attempt that is made next.</summary>
/// <param name="RouteIndex">Its route's place in the call's order.</param>
/// <param name="Route">Its route.</param>
/// <param name="Lane">The lane that it takes.</param>
/// <param name="Hedged">Whether it starts beside a slow one rather than after a failed one.</param>
internal sealed record PlannedAttempt(int RouteIndex, ModelRoute Route, Lane Lane, bool Hedged);

/// <summary>
/// Which attempt of a call is next, whether there is one, and what became of those before: the call's own part of the
/// <see cref="OpeningPipeline"/>. A round goes over the routes once; in it no lane is tried twice, unless beside itself as
/// a hedge. Thread-safe, since hedged attempts run side by side.
/// </summary>
internal sealed class AttemptPlan
{
    private static readonly ResiliencePropertyKey<AttemptPlan> Property = new("grpcllm.attempts");

    private readonly Lock _gate = new();
    private readonly IReadOnlyList<ModelRoute> _routes;
    private readonly ResilienceOptions _options;
    private readonly GenerationRecord _record;
    private readonly CallStates _states;
    private readonly CallProgress? _progress;

    private readonly List<RunningAttempt> _attempts = new(1);
    private readonly HashSet<Lane> _triedThisRound = [];
    private readonly bool[] _routeIsOut;
    private readonly List<BackendException> _failures = [];
    private int _route = -1;
    private int _planned;
    private int _running;
    private int _queued;
    private (AttemptRule Rule, int Route)? _unanswered;
    private bool _isFinal;
    private bool _isClosed;
    private long _accountedUntil;

    /// <param name="routes">The call's routes, in its order; at least one.</param>
    /// <param name="record">What is noted of the call.</param>
    /// <param name="states">State of the call for the gauges.</param>
    /// <param name="progress">Told what the call waits for; null: nobody is.</param>
    public AttemptPlan(
        IReadOnlyList<ModelRoute> routes, GenerationRecord record, CallStates states, CallProgress? progress)
    {
        _routes = routes;
        _options = routes[0].Pool.Options;
        _record = record;
        _states = states;
        _progress = progress;
        _routeIsOut = new bool[routes.Count];
        _accountedUntil = record.Clock.ElapsedMicroseconds;
    }

    /// <summary>The request of all attempts; each adds its route's model and its lane's key.</summary>
    public required BackendCall Call { get; init; }

    /// <summary>The call's own token, which outlives the opening.</summary>
    public required CancellationToken CallToken { get; init; }

    /// <summary>Time left for the first token.</summary>
    public TimeSpan TimeLeft => _options.TotalTimeout - TimeSpan.FromMicroseconds(Clock.ElapsedMicroseconds);

    /// <summary>The last failure, or obstacle where nothing could be tried.</summary>
    public BackendException LastFailure
    {
        get
        {
            lock (_gate) return _failures[^1];
        }
    }

    /// <summary>The call's clock.</summary>
    public CallClock Clock => _record.Clock;

    /// <summary>The plan of the call that a pipeline runs for.</summary>
    public static AttemptPlan Of(ResilienceContext context) =>
        context.Properties.TryGetValue(Property, out var plan) ? plan
            : throw new InvalidOperationException("The context belongs to no call.");

    /// <summary>Puts the plan where the pipeline finds it.</summary>
    public void AttachTo(ResilienceContext context) => context.Properties.Set(Property, this);

    /// <summary>Begins a round: all lanes may be tried again.</summary>
    public void StartRound()
    {
        lock (_gate)
        {
            _triedThisRound.Clear();
            _route = -1;
            _unanswered = null;
        }
    }

    /// <summary>Takes the next attempt of the round, if there is one.</summary>
    public bool TryPlanNext([NotNullWhen(true)] out PlannedAttempt? next)
    {
        lock (_gate)
        {
            next = null;
            if (_isFinal || _isClosed || _planned >= _options.MaxAttempts) return false;
            var hedged = _running > 0 && _unanswered is null;
            if (hedged && _running > 1) return false;
            next = Find(hedged);
            _unanswered = null;
            if (next is null) return false;
            _planned++;
            _triedThisRound.Add(next.Lane);
            return true;
        }
    }

    /// <summary>A planned attempt was not made after all: the breaker of its lane opened meanwhile.</summary>
    public void GiveBack(PlannedAttempt planned, BackendException obstacle)
    {
        lock (_gate)
        {
            _planned--;
            _failures.Add(obstacle);
            _unanswered = (AttemptRules.Of(obstacle), planned.RouteIndex);
        }
    }

    /// <summary>Begins a planned attempt.</summary>
    public RunningAttempt Begin(PlannedAttempt planned)
    {
        lock (_gate)
        {
            var attempt = new RunningAttempt(this, planned, new Attempt
            {
                Number = (uint)_attempts.Count + 1,
                Backend = planned.Lane.Backend.Name,
                KeyLabel = planned.Lane.KeyLabel,
                Hedged = planned.Hedged,
                StartUs = (ulong)Clock.ElapsedMicroseconds,
            })
            {
                Beside = planned.Hedged
                    ? _attempts.FindLast(static one => one.Log.Outcome == AttemptOutcome.Unspecified)
                    : null,
            };
            Account();
            _attempts.Add(attempt);
            _running++;
            Tell(attempt, ProgressPhase.WaitingForFirstToken);
            return attempt;
        }
    }

    /// <summary>Notes that an attempt waits for a slot of its backend, or no longer does.</summary>
    public void NoteQueued(RunningAttempt attempt, uint? position)
    {
        lock (_gate)
        {
            if (_isClosed) return;
            if (attempt.IsQueued != position is not null)
            {
                Account();
                attempt.IsQueued = position is not null;
                _queued += attempt.IsQueued ? 1 : -1;
            }
            else if (position is null)
            {
                return;
            }

            Tell(attempt, attempt.IsQueued ? ProgressPhase.Queued : ProgressPhase.WaitingForFirstToken, position);
        }
    }

    /// <summary>Notes the end of an attempt without a token.</summary>
    /// <param name="attempt">The attempt.</param>
    /// <param name="exception">How it failed; a cancellation: it was given up.</param>
    public void NoteEnd(RunningAttempt attempt, Exception exception)
    {
        lock (_gate)
        {
            if (_isClosed) return;
            Account();
            Leave(attempt, exception is OperationCanceledException ? AttemptOutcome.Cancelled : AttemptOutcome.Failed);
            if (exception is not BackendException failure)
            {
                if (exception is not OperationCanceledException) attempt.Log.ErrorReason = ErrorReason.Internal;
                return;
            }

            attempt.Log.ErrorReason = ErrorTable.ReasonOf(failure, delivered: false);
            var rule = AttemptRules.Of(failure);
            _failures.Add(failure);
            _unanswered = (rule, attempt.Planned.RouteIndex);
            _isFinal |= rule.IsFinal;
            _routeIsOut[attempt.Planned.RouteIndex] |= !rule.Again;
        }
    }

    /// <summary>Whether another round is worth while, once a round has failed.</summary>
    public bool MayStartAnotherRound()
    {
        lock (_gate)
        {
            if (_isFinal || _planned >= _options.MaxAttempts) return false;
            return SoonestLane() is { } wait && wait <= _options.MaxDelay && wait < TimeLeft;
        }
    }

    /// <summary>Time until a lane may be tried, with jitter; null: one may be now, the ordinary wait is enough.</summary>
    public TimeSpan? WaitForLane()
    {
        lock (_gate)
        {
            _progress?.Report(ProgressPhase.Retrying, (uint)_attempts.Count);
            return SoonestLane() is { } wait && wait > TimeSpan.Zero
                ? wait + (_options.BaseDelay * Random.Shared.NextDouble())
                : null;
        }
    }

    /// <summary>Time after which a second attempt is started beside one that runs; infinite: never.</summary>
    public TimeSpan HedgeAfter()
    {
        lock (_gate)
        {
            if (_isFinal || _planned >= _options.MaxAttempts || _running != 1) return Timeout.InfiniteTimeSpan;
            var after = _attempts[^1].Planned.Route.Pool.Options.HedgeAfter;
            return after > TimeSpan.Zero ? after : Timeout.InfiniteTimeSpan;
        }
    }

    /// <summary>Ends the opening: what still runs was given up, and the call's record gets the attempts.</summary>
    /// <param name="served">The attempt that brought the answer, if one did.</param>
    public void Close(RunningAttempt? served)
    {
        lock (_gate)
        {
            Account();
            _isClosed = true;
            foreach (var attempt in _attempts)
            {
                if (attempt == served) attempt.Log.Outcome = AttemptOutcome.Served;
                else if (attempt.Log.Outcome == AttemptOutcome.Unspecified) Leave(attempt, AttemptOutcome.Cancelled);
                _record.Attempts.Add(attempt.Log);
                _record.Upstreams.Add(attempt.Planned.Route.Upstream);
            }

            if ((served ?? _attempts.LastOrDefault()) is not { } told) return;
            _record.Backend = told.Lane.Backend.Name;
            _record.Opening = told.Opening ?? _record.Opening;
            _record.ReportedUsage = told.ReportedUsage;
            _record.ServingSpan = served?.Span;
        }
    }

    /// <summary>
    /// Why the call fails: the last failure, but a rate limit stands only if nothing else went wrong. The wait is the time
    /// until a lane may be tried.
    /// </summary>
    public CallFailureException Failure(Exception? exception)
    {
        if (exception is Polly.Timeout.TimeoutRejectedException)
            return new CallFailureException(ErrorReason.FirstTokenTimeout, "No token came in time.", exception);
        if (exception is not BackendException) ExceptionDispatchInfo.Throw(exception!);
        lock (_gate)
        {
            var last = _failures[^1];
            var reason = ErrorTable.ReasonOf(last, delivered: false);
            if (reason == ErrorReason.UpstreamRateLimited
                && _failures.Exists(static one => ErrorTable.ReasonOf(one, delivered: false) != ErrorReason.UpstreamRateLimited))
                reason = ErrorReason.UpstreamUnavailable;
            return new CallFailureException(reason, last.Message, last) { RetryAfter = WaitToTell(last) };
        }
    }

    /// <summary>
    /// The time until a lane may be tried. Where it is a rest that a backend asked for in this very call, in the backend's
    /// own words: not less the milliseconds since.
    /// </summary>
    private TimeSpan? WaitToTell(BackendException last)
    {
        if (SoonestLane() is not { } soonest || soonest <= TimeSpan.Zero) return last.RetryAfter;
        var elapsed = TimeSpan.FromMicroseconds(Clock.ElapsedMicroseconds);
        var asked = _failures.Select(static one => one.RetryAfter)
            .Where(wait => wait >= soonest && wait - soonest <= elapsed).Min();
        return asked ?? soonest;
    }

    private PlannedAttempt? Find(bool hedged)
    {
        if (_unanswered is { Rule.OtherKey: true, Route: var failed } && !_routeIsOut[failed]
            && _routes[failed].Pool.Pick(_triedThisRound, out _) is { } other) return new PlannedAttempt(failed, _routes[failed], other, hedged);

        for (var index = _route + 1; index < _routes.Count; index++)
        {
            if (_routeIsOut[index]) continue;
            _route = index;
            if (_routes[index].Pool.Pick(_triedThisRound, out var obstacle) is { } lane)
                return new PlannedAttempt(index, _routes[index], lane, hedged);
            if (obstacle is { } rest) _failures.Add(rest.ToException());
        }

        if (!hedged) return null;

        // Beside itself, on another key if there is one.
        var (slow, route) = (_attempts[^1].Planned.RouteIndex, _attempts[^1].Planned.Route);
        return (route.Pool.Pick(_triedThisRound, out _) ?? route.Pool.Pick()) is { } same ? new PlannedAttempt(slow, route, same, hedged) : null;
    }

    private TimeSpan? SoonestLane()
    {
        TimeSpan? soonest = null;
        for (var index = 0; index < _routes.Count; index++)
        {
            if (_routeIsOut[index]) continue;
            var wait = _routes[index].Pool.FirstToPass()?.Wait ?? TimeSpan.Zero;
            if (soonest is null || wait < soonest) soonest = wait;
        }

        return soonest;
    }

    private void Leave(RunningAttempt attempt, AttemptOutcome outcome)
    {
        _running--;
        if (attempt.IsQueued) _queued--;

        // Given up, it had its input, unless it still waited for a slot; failed, only what it reported counts.
        if (outcome == AttemptOutcome.Cancelled && !attempt.IsQueued)
            attempt.Log.Usage = AttemptUsage.CutShort(attempt.ReportedUsage, attempt.Opening ?? new BackendOpening(), 0, _record.InputEstimate);
        else if (attempt.ReportedUsage is { } usage) attempt.Log.Usage = usage;
        attempt.IsQueued = false;
        attempt.Log.Outcome = outcome;
        attempt.Log.DurationUs = (ulong)Clock.ElapsedMicroseconds - attempt.Log.StartUs;
    }

    private void Tell(RunningAttempt attempt, ProgressPhase phase, uint? position = null)
    {
        _states.Move(IsQueued ? StreamState.Queued : StreamState.WaitingForFirstToken);
        _progress?.Report(phase, attempt.Log.Number, position);
    }

    private bool IsQueued => _queued > 0 && _queued == _running;

    /// <summary>Books the time since the last change as waiting for a slot, or for the backend.</summary>
    private void Account()
    {
        var now = Clock.ElapsedMicroseconds;
        if (IsQueued) _record.QueueMicroseconds += now - _accountedUntil;
        else _record.WaitingMicroseconds += now - _accountedUntil;
        _accountedUntil = now;
    }
}
