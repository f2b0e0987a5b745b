using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.Server.Backends.BackendEvent;

namespace GrpcLlm.Server.Tests.Routing;

/// <summary>Several attempts of one call: retry, failover, hedging, keys, totals. Time is the test's.</summary>
public sealed class AttemptsTests : IDisposable
{
    private static readonly BackendException Down = new(BackendFailure.Unavailable, "503");

    private readonly CallRig _rig = new();
    private readonly CallProgress _progress = new();
    private readonly List<string> _asked = [];
    private readonly List<ScriptedEvents> _events = [];
    private readonly List<ModelRoute> _routes = [];

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task FirstRouteDown_NextServesAtOnce()
    {
        var answer = await OpenAsync(new(), Route("a", Fails(Down)), Route("b", Serves("x")));

        answer.AtHand.ShouldHaveSingleItem().Text.ShouldBe("x");
        Log().ShouldBe(["1 a Failed UpstreamUnavailable", "2 b Served"]);
        _rig.Record.Backend.ShouldBe("b");
        _rig.Time.ArmedTimers.ShouldBe(0);
    }

    [Fact]
    public async Task Rejected_IsFinal()
    {
        var failure = await FailAsync(
            new(), Route("a", Fails(new BackendException(BackendFailure.Rejected, "400"))), Route("b", Serves("x")));

        failure.Reason.ShouldBe(ErrorReason.UpstreamRejected);
        _asked.ShouldBe(["a"]);
    }

    [Theory]
    [InlineData(nameof(BackendFailure.ContextTooLong), nameof(ErrorReason.ContextTooLong))]
    [InlineData(nameof(BackendFailure.Misconfigured), nameof(ErrorReason.UpstreamMisconfigured))]
    public async Task FailureOfTheRoute_IsNotTriedThereAgain(string kind, string reason)
    {
        var failure = await FailAsync(new(), Route("a", Fails(new BackendException(Enum.Parse<BackendFailure>(kind), "no"))));

        failure.Reason.ShouldBe(Enum.Parse<ErrorReason>(reason));
        _asked.ShouldBe(["a"]);
    }

    [Fact]
    public async Task OnlyRouteDown_IsTriedAgainAfterAWaitThatGrows()
    {
        var opening = OpenAsync(Delays(1, 60), Route("a", Fails(Down), Fails(Down), Serves("x")));

        await WaitForRetryAsync(1);
        _progress.Read().Current.ShouldBe(new Progress { Phase = ProgressPhase.Retrying, Attempt = 1 });
        await AdvanceUntilAskedAsync(2);
        await AdvanceUntilAskedAsync(3);

        (await opening).AtHand.ShouldHaveSingleItem().Text.ShouldBe("x");
        Log().ShouldBe(["1 a Failed UpstreamUnavailable", "2 a Failed UpstreamUnavailable", "3 a Served"]);
    }

    [Fact]
    public async Task MaxAttempts_CountsAllRoutesTogether()
    {
        var opening = FailAsync(
            Delays(1, 1, maxAttempts: 3), Route("a", Fails(Down), Fails(Down)), Route("b", Fails(Down), Fails(Down)));
        await WaitForRetryAsync(2);
        await AdvanceUntilAskedAsync(3);

        (await opening).Reason.ShouldBe(ErrorReason.UpstreamUnavailable);
        _asked.ShouldBe(["a", "b", "a"]);
    }

    [Fact]
    public async Task RetryAfter_IsWaitedFor()
    {
        var limited = new BackendException(BackendFailure.RateLimited, "429") { RetryAfter = TimeSpan.FromSeconds(4) };
        var opening = OpenAsync(Delays(0, 5), Route("a", Fails(limited), Serves("x")));
        await WaitForRetryAsync(1);

        _rig.Time.Advance(TimeSpan.FromSeconds(3.9));
        _asked.Count.ShouldBe(1);
        _rig.Time.Advance(TimeSpan.FromSeconds(0.1));

        (await opening).AtHand.ShouldHaveSingleItem().Text.ShouldBe("x");
    }

    [Fact]
    public async Task RetryAfter_BeyondMaxDelay_IsToldToTheCallerAtOnce()
    {
        var limited = new BackendException(BackendFailure.RateLimited, "429") { RetryAfter = TimeSpan.FromSeconds(6) };

        var failure = await FailAsync(Delays(0, 5), Route("a", Fails(limited)));

        failure.Reason.ShouldBe(ErrorReason.UpstreamRateLimited);
        failure.RetryAfter.ShouldBe(TimeSpan.FromSeconds(6));
    }

    [Fact]
    public async Task RateLimitAfterAnotherFailure_IsUnavailable()
    {
        var limited = new BackendException(BackendFailure.RateLimited, "429") { RetryAfter = TimeSpan.FromSeconds(60) };

        var failure = await FailAsync(new() { MaxAttempts = 2 }, Route("a", Fails(Down)), Route("b", Fails(limited)));

        failure.Reason.ShouldBe(ErrorReason.UpstreamUnavailable);
    }

    [Fact]
    public async Task RateLimitsOnly_TellTheShortestWait()
    {
        var failure = await FailAsync(
            Delays(0, 1),
            Route("a", Fails(new BackendException(BackendFailure.RateLimited, "429") { RetryAfter = TimeSpan.FromSeconds(60) })),
            Route("b", Fails(new BackendException(BackendFailure.RateLimited, "429") { RetryAfter = TimeSpan.FromSeconds(20) })));

        failure.Reason.ShouldBe(ErrorReason.UpstreamRateLimited);
        failure.RetryAfter.ShouldBe(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task TotalTimeout_EndsTheAttemptAndTheCall()
    {
        var opening = FailAsync(new() { TotalTimeout = TimeSpan.FromSeconds(10) }, Route("a", Silent()));

        _rig.Time.Advance(TimeSpan.FromSeconds(10));

        (await opening).Reason.ShouldBe(ErrorReason.FirstTokenTimeout);
        Log().ShouldBe(["1 a Cancelled"]);
        _events.ShouldHaveSingleItem().Disposed.ShouldBe(1);
    }

    [Fact]
    public async Task TotalTimeout_PassedInTheQueue_AsksNobody()
    {
        _rig.Time.Advance(TimeSpan.FromMinutes(2));

        (await FailAsync(new(), Route("a", Serves("x")))).Reason.ShouldBe(ErrorReason.FirstTokenTimeout);
        _asked.ShouldBeEmpty();
    }

    [Fact]
    public async Task WaitThatWouldOutlastTheTotal_IsNotBegun()
    {
        var limited = new BackendException(BackendFailure.RateLimited, "429") { RetryAfter = TimeSpan.FromSeconds(4) };

        var failure = await FailAsync(
            new() { TotalTimeout = TimeSpan.FromSeconds(3) }, Route("a", Fails(limited), Serves("x")));

        failure.Reason.ShouldBe(ErrorReason.UpstreamRateLimited);
    }

    [Fact]
    public async Task Hedge_SecondIsFaster_FirstIsGivenUp()
    {
        var opening = OpenAsync(Hedged(2), Route("a", Silent()), Route("b", Serves("x")));
        _rig.Time.Advance(TimeSpan.FromSeconds(1.9));
        _asked.ShouldBe(["a"]);
        _rig.Time.Advance(TimeSpan.FromSeconds(0.1));

        (await opening).AtHand.ShouldHaveSingleItem().Text.ShouldBe("x");

        await _events[0].WhenDisposed;
        Log().ShouldBe(["1 a Cancelled", "2 b Served hedged"]);
        _rig.Record.Backend.ShouldBe("b");
    }

    [Fact]
    public async Task Hedge_BesideAQueuedAttempt_EndsTheTimeInTheQueue()
    {
        var opening = OpenAsync(Hedged(2), Route("a", static events => events.Add(Queued(1))), Route("b", Silent()));
        await Asked(1);
        _rig.Time.Advance(TimeSpan.FromSeconds(2));
        await Asked(2);
        _rig.Time.Advance(TimeSpan.FromSeconds(1));
        _events[1].Add(TextDelta("x"));

        await opening;

        _rig.Record.QueueMicroseconds.ShouldBe(2_000_000);
        _rig.Record.WaitingMicroseconds.ShouldBe(1_000_000);
    }

    [Fact]
    public async Task Hedge_FirstIsFasterAfterAll_SecondIsGivenUp()
    {
        var opening = OpenAsync(Hedged(2), Route("a", Silent()), Route("b", Silent()));
        _rig.Time.Advance(TimeSpan.FromSeconds(2));
        await Asked(2);
        _events[0].Add(TextDelta("x"));

        (await opening).AtHand.ShouldHaveSingleItem().Text.ShouldBe("x");

        await _events[1].WhenDisposed;
        Log().ShouldBe(["1 a Served", "2 b Cancelled hedged"]);
    }

    [Fact]
    public async Task Hedge_OnTheOnlyRoute_RunsBesideItself_OnAnotherKey()
    {
        var opening = OpenAsync(Hedged(2), Keyed("a", 2, Silent(), Serves("x")));
        _rig.Time.Advance(TimeSpan.FromSeconds(2));

        await opening;

        _rig.Record.Attempts.Select(static attempt => attempt.KeyLabel).ShouldBe(["key1", "key2"]);
    }

    [Fact]
    public async Task Hedge_IsOneAtATime()
    {
        var opening = OpenAsync(Hedged(2, maxAttempts: 5), Route("a", Silent()), Route("b", Silent()), Route("c", Serves("x")));
        _rig.Time.Advance(TimeSpan.FromSeconds(2));
        await Asked(2);
        _rig.Time.Advance(TimeSpan.FromSeconds(20));
        _asked.ShouldBe(["a", "b"]);

        // A failed one is followed by the next at once, also beside a slow one.
        _events[1].Fail(Down);

        (await opening).AtHand.ShouldHaveSingleItem().Text.ShouldBe("x");
        Log().ShouldBe(["1 a Cancelled", "2 b Failed UpstreamUnavailable hedged", "3 c Served"]);
    }

    [Fact]
    public async Task Hedge_FinalFailure_LeavesTheOtherAttemptAlone()
    {
        var opening = OpenAsync(
            Hedged(2), Route("a", Silent()), Route("b", Fails(new BackendException(BackendFailure.Rejected, "400"))),
            Route("c", Serves("never")));
        _rig.Time.Advance(TimeSpan.FromSeconds(2));
        await Asked(2);
        _events[0].Add(TextDelta("x"));

        (await opening).AtHand.ShouldHaveSingleItem().Text.ShouldBe("x");
        _asked.ShouldBe(["a", "b"]);
    }

    [Fact]
    public async Task CallStops_AllAttemptsAreGivenUp()
    {
        var opening = OpenAsync(Hedged(2), Route("a", Silent()), Route("b", Silent()));
        _rig.Time.Advance(TimeSpan.FromSeconds(2));
        await Asked(2);

        _rig.Lifetime.Stop(StopCause.Cancelled);

        await Should.ThrowAsync<OperationCanceledException>(opening);
        await Task.WhenAll(_events.Select(static one => one.WhenDisposed));
        Log().ShouldBe(["1 a Cancelled", "2 b Cancelled hedged"]);
    }

    [Fact]
    public async Task OpenedAnswer_HearsTheCallsCancelWhenTheOpeningIsOver()
    {
        var opening = OpenAsync(Hedged(2), Route("a", Silent()), Route("b", Serves("x")));
        _rig.Time.Advance(TimeSpan.FromSeconds(2));
        var answer = await opening;
        var read = answer.Rest.MoveNextAsync().AsTask();

        _rig.Lifetime.Stop(StopCause.ClientGone);

        await Should.ThrowAsync<OperationCanceledException>(read);
    }

    [Fact]
    public async Task RateLimitedKey_TheCallGoesOnWithAnotherAtOnce()
    {
        var limited = new BackendException(BackendFailure.RateLimited, "429") { RetryAfter = TimeSpan.FromMinutes(1) };

        await OpenAsync(new(), Keyed("a", 2, Fails(limited), Serves("x")), Route("b", Serves("never")));

        Log().ShouldBe(["1 a Failed UpstreamRateLimited", "2 a Served"]);
        _rig.Record.Attempts.Select(static attempt => attempt.KeyLabel).ShouldBe(["key1", "key2"]);
    }

    [Fact]
    public async Task EveryKeyRefused_IsMisconfigured()
    {
        var refused = new BackendException(BackendFailure.Misconfigured, "401") { KeyRefused = true };

        (await FailAsync(new(), Keyed("a", 2, Fails(refused), Fails(refused)))).Reason.ShouldBe(ErrorReason.UpstreamMisconfigured);

        // The next call asks nobody.
        var failure = await FailAsync(_routes[0]);
        failure.Reason.ShouldBe(ErrorReason.UpstreamMisconfigured);
        _asked.Count.ShouldBe(2);
    }

    [Fact]
    public async Task RateLimitedKey_BesideAHedge_AnotherKeyOfItsOwnBackendIsNext()
    {
        var opening = OpenAsync(Hedged(2), Keyed("a", 2, Silent(), Serves("x")), Keyed("b", 2, Silent()));
        _rig.Time.Advance(TimeSpan.FromSeconds(2));
        await Asked(2);

        _events[0].Fail(new BackendException(BackendFailure.RateLimited, "429"));

        (await opening).AtHand.ShouldHaveSingleItem().Text.ShouldBe("x");
        _asked.ShouldBe(["a", "b", "a"]);
    }

    [Fact]
    public async Task UnavailableBackend_AnotherKeyOfItIsNoHelp()
    {
        await OpenAsync(new(), Keyed("a", 2, Fails(Down)), Route("b", Serves("x")));

        _asked.ShouldBe(["a", "b"]);
    }

    [Fact]
    public async Task FaultOfThisService_IsNotTriedAgain()
    {
        await Should.ThrowAsync<InvalidTimeZoneException>(
            OpenAsync(new(), Route("a", Fails(new InvalidTimeZoneException())), Route("b", Serves("x"))));

        Log().ShouldBe(["1 a Failed Internal"]);
    }

    [Fact]
    public async Task OpenBreaker_SkipsTheRoute_TriesOnceAfterTheBreak_AndCloses()
    {
        var options = new ResilienceOptions
        {
            MaxAttempts = 1, BreakerMinimumThroughput = 2, BreakerBreakDuration = TimeSpan.FromSeconds(10),
        };
        var route = Route("a", Fails(Down), Fails(Down), Serves("x"), Serves("y"));
        await FailAsync(options, route);
        await FailAsync(_routes[0]);

        var refused = await FailAsync(_routes[0]);
        refused.Reason.ShouldBe(ErrorReason.UpstreamUnavailable);
        refused.RetryAfter.ShouldBe(TimeSpan.FromSeconds(10));
        _asked.Count.ShouldBe(2);
        _routes[0].Pool.IsUsable.ShouldBeFalse();

        _rig.Time.Advance(TimeSpan.FromSeconds(10));
        await OpenAsync(_routes[0]);
        await OpenAsync(_routes[0]);
        _asked.Count.ShouldBe(4);
    }

    [Fact]
    public async Task LaneThatRestsLongerThanItSaid_IsWaitedForWithoutAnAttempt()
    {
        var options = Delays(0, 5, maxAttempts: 1);
        await FailAsync(options, Route("a", Fails(new BackendException(BackendFailure.Unavailable, "503")
        {
            RetryAfter = TimeSpan.FromSeconds(6),
        }), Serves("x")));
        _rig.Time.Advance(TimeSpan.FromSeconds(2));

        var opening = OpenAsync(_routes[0]);
        await _rig.Time.HasArmedAsync(2);
        _routes[0].Pool.Lanes[0].Note(new BackendException(BackendFailure.Unavailable, "503") { RetryAfter = TimeSpan.FromSeconds(5) });
        _rig.Time.Advance(TimeSpan.FromSeconds(4));
        await _rig.Time.HasArmedAsync(2);
        _asked.Count.ShouldBe(1);
        _rig.Time.Advance(TimeSpan.FromSeconds(1));

        (await opening).AtHand.ShouldHaveSingleItem().Text.ShouldBe("x");
    }

    [Fact]
    public async Task HalfOpenBreaker_TrialThatIsGivenUp_ProvesNothing()
    {
        var options = new ResilienceOptions
        {
            MaxAttempts = 1, BreakerMinimumThroughput = 2, BreakerBreakDuration = TimeSpan.FromSeconds(10),
            TotalTimeout = TimeSpan.FromMinutes(10), BaseDelay = TimeSpan.Zero, MaxDelay = TimeSpan.Zero,
        };
        await FailAsync(options, Route("a", Fails(Down), Fails(Down), Silent(), Serves("x")));
        await FailAsync(_routes[0]);
        _rig.Time.Advance(TimeSpan.FromSeconds(10));

        using var other = new CancellationTokenSource();
        var trial = OpenAsync(other.Token, _routes[0]);
        await Asked(3);

        // While it is tried, nobody else is let through.
        (await FailAsync(_routes[0])).Reason.ShouldBe(ErrorReason.UpstreamUnavailable);
        await other.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(trial);

        (await FailAsync(_routes[0])).Reason.ShouldBe(ErrorReason.UpstreamUnavailable);
        _asked.Count.ShouldBe(3);
        _rig.Time.Advance(TimeSpan.FromSeconds(10));
        await OpenAsync(_routes[0]);
    }

    [Fact]
    public async Task StreamsThatBreakOff_OpenTheBreaker()
    {
        var options = new ResilienceOptions { MaxAttempts = 1, BreakerMinimumThroughput = 4 };
        var route = Route("a", Serves("x"), Serves("x"));
        for (var call = 0; call < 2; call++)
        {
            await using var answer = await (call == 0 ? OpenAsync(options, route) : OpenAsync(_routes[0]));
            await answer.NoteFailureAsync(new BackendException(BackendFailure.Truncated, "cut"));
        }

        (await FailAsync(_routes[0])).Reason.ShouldBe(ErrorReason.UpstreamUnavailable);
        _asked.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Load_IsGivenBackByEveryEnd()
    {
        var served = await OpenAsync(Hedged(2), Route("a", Fails(Down)), Route("b", Serves("x")));
        _routes[1].Pool.Lanes[0].Load.ShouldBe(1);
        _routes[0].Pool.Lanes[0].Load.ShouldBe(0);

        await served.DisposeAsync();
        await served.DisposeAsync();

        _routes[1].Pool.Lanes[0].Load.ShouldBe(0);
        _events[^1].Disposed.ShouldBe(1);
    }

    private static ResilienceOptions Delays(double baseSeconds, double maxSeconds, int maxAttempts = 3) => new()
    {
        MaxAttempts = maxAttempts, BaseDelay = TimeSpan.FromSeconds(baseSeconds), MaxDelay = TimeSpan.FromSeconds(maxSeconds),
    };

    private static ResilienceOptions Hedged(double seconds, int maxAttempts = 3) => new()
    {
        MaxAttempts = maxAttempts, HedgeAfter = TimeSpan.FromSeconds(seconds),
    };

    private static Action<ScriptedEvents> Serves(string text) => events => events.Add(TextDelta(text));

    private static Action<ScriptedEvents> Fails(Exception failure) => events => events.Fail(failure);

    private static Action<ScriptedEvents> Silent() => static _ => { };

    private FakeBackend Route(string name, params Action<ScriptedEvents>[] answers) => Keyed(name, 0, answers);

    private FakeBackend Keyed(string name, int keys, params Action<ScriptedEvents>[] answers)
    {
        var next = 0;
        return new FakeBackend(name)
        {
            Keys = [.. Enumerable.Range(0, keys).Select(static index => new ApiKey("k" + index, index))],
            Answer = token =>
            {
                var events = new ScriptedEvents(token);
                answers[next++](events);
                lock (_asked)
                {
                    _asked.Add(name);
                    _events.Add(events);
                }

                return events;
            },
        };
    }

    private Task<OpenedAnswer> OpenAsync(ResilienceOptions options, params FakeBackend[] backends) =>
        OpenAsync(_rig.Lifetime.Token, [.. backends.Select(backend => Add(backend, options))]);

    /// <summary>Another call over routes that were made before.</summary>
    private Task<OpenedAnswer> OpenAsync(params ModelRoute[] routes) => OpenAsync(_rig.Lifetime.Token, routes);

    private async Task<OpenedAnswer> OpenAsync(CancellationToken token, params ModelRoute[] routes) =>
        await AnswerOpener.OpenAsync(routes, new BackendCall(_rig.Request, ""), _rig.Record, _rig.States, _progress, token)
            ?? throw new OperationCanceledException(token);

    private async Task<CallFailureException> FailAsync(ResilienceOptions options, params FakeBackend[] backends) =>
        await Should.ThrowAsync<CallFailureException>(OpenAsync(options, backends));

    private async Task<CallFailureException> FailAsync(ModelRoute route) =>
        await Should.ThrowAsync<CallFailureException>(OpenAsync(route));

    private ModelRoute Add(FakeBackend backend, ResilienceOptions options)
    {
        var route = new ModelRoute(Lanes.To(backend, options, _rig.Time), "m");
        _routes.Add(route);
        return route;
    }

    private IEnumerable<string> Log() => _rig.Record.Attempts.Select(static attempt => string.Join(
        ' ', new[]
        {
            $"{attempt.Number} {attempt.Backend} {attempt.Outcome}",
            attempt.ErrorReason == ErrorReason.Unspecified ? "" : attempt.ErrorReason.ToString(),
            attempt.Hedged ? "hedged" : "",
        }.Where(static part => part.Length > 0)));

    /// <summary>Completes when that many attempts were made.</summary>
    private Task Asked(int count) => Eventually(() => _asked.Count >= count);

    private async Task WaitForRetryAsync(int asked)
    {
        await Asked(asked);

        // The total, and the wait.
        await _rig.Time.HasArmedAsync(2);
    }

    private async Task AdvanceUntilAskedAsync(int count)
    {
        while (_asked.Count < count)
        {
            await _rig.Time.HasArmedAsync(2);
            _rig.Time.Advance(TimeSpan.FromSeconds(0.5));
            await Task.Yield();
        }
    }

    private async Task Eventually(Func<bool> condition)
    {
        while (true)
        {
            lock (_asked)
            {
                if (condition()) return;
            }

            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
