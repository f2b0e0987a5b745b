using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Simulator;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Simulator;

public sealed class SimulatorFaultTests
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData("none", "None 0 0")]
    [InlineData("429", "Status 429 0")]
    [InlineData("599", "Status 599 0")]
    [InlineData("500@3", "Status 500 3")]
    [InlineData("refused", "Refused 0 0")]
    [InlineData("stall", "Stall 0 0")]
    [InlineData("Stall@10", "Stall 0 10")]
    [InlineData("reset@0", "Reset 0 0")]
    [InlineData("truncate@1000000", "Truncate 0 1000000")]
    [InlineData("malformed@1", "Malformed 0 1")]
    [InlineData("slow", "Slow 0 0")]
    public void Parse_Words(string text, string expected)
    {
        SimulatorFault.TryParse(text, out var fault).ShouldBeTrue();

        $"{fault!.Kind} {fault.Status} {fault.AfterTokens}".ShouldBe(expected);
    }

    [Theory]
    [InlineData("")]
    [InlineData("@")]
    [InlineData("@3")]
    [InlineData("399")]
    [InlineData("600")]
    [InlineData("+429")]
    [InlineData("reset@")]
    [InlineData("reset@-1")]
    [InlineData("reset@1.5")]
    [InlineData("reset@1000001")]
    [InlineData("reset@1@2")]
    [InlineData("reset @1")]
    [InlineData("none@1")]
    [InlineData("refused@1")]
    [InlineData("slow@1")]
    [InlineData("explode")]
    public void Parse_Others_AreNone(string text) => SimulatorFault.TryParse(text, out _).ShouldBeFalse();

    // What a call hears: the failure, what it counts as before a token, and when to come back.
    [Theory]
    [InlineData("429", 0, nameof(BackendFailure.RateLimited), null, 1.0)]
    [InlineData("500", 0, nameof(BackendFailure.Unavailable), null, null)]
    [InlineData("401", 0, nameof(BackendFailure.Misconfigured), null, null)]
    [InlineData("422", 0, nameof(BackendFailure.Rejected), null, null)]
    [InlineData("503@2", 2, nameof(BackendFailure.Failed), nameof(BackendFailure.Unavailable), null)]
    [InlineData("refused", 0, nameof(BackendFailure.Unavailable), null, null)]
    [InlineData("reset", 0, nameof(BackendFailure.Truncated), null, null)]
    [InlineData("reset@4", 4, nameof(BackendFailure.Truncated), null, null)]
    [InlineData("truncate@1", 1, nameof(BackendFailure.Truncated), null, null)]
    [InlineData("malformed@2", 2, nameof(BackendFailure.Malformed), null, null)]
    [InlineData("reset@5", 5, nameof(BackendFailure.Truncated), null, null)]
    public async Task Fault_ComesAfterItsTokens(
        string text, int tokens, string failure, string? beforeFirstToken, double? retryAfter)
    {
        var rig = new SimulatorRig(new SimulatorOptions { AllowRequestOverrides = true });

        var (events, exception) = await rig.ReadAsync(tokens: 5, metadata: SimulatorRig.Choosing("simulate-fault", text));

        events.Count(static piece => piece.Kind == BackendEventKind.Text).ShouldBe(tokens);
        events.ShouldNotContain(static piece => piece.Kind == BackendEventKind.Finished);
        exception.ShouldNotBeNull().Failure.ToString().ShouldBe(failure);
        (exception.BeforeFirstToken?.ToString()).ShouldBe(beforeFirstToken);
        (exception.RetryAfter?.TotalSeconds).ShouldBe(retryAfter);
        rig.Backend.Slots.FreeSlots.ShouldBe(int.MaxValue);
        rig.Time.ArmedTimers.ShouldBe(0);
    }

    [Theory]
    [InlineData("reset@6")]
    [InlineData("stall@100")]
    public async Task FaultBehindTheEnd_AnswerEndsWell(string text)
    {
        var rig = new SimulatorRig(new SimulatorOptions { AllowRequestOverrides = true });

        var (events, exception) = await rig.ReadAsync(tokens: 5, metadata: SimulatorRig.Choosing("simulate-fault", text));

        exception.ShouldBeNull();
        events[^1].Ending!.Usage!.OutputTokens.ShouldBe(5u);
    }

    [Fact]
    public async Task StallBeforeTheFirstToken_EndsByTheFirstTokenTimeout()
    {
        var rig = new SimulatorRig(new SimulatorOptions { Faults = { Always("stall") }, FirstTokenTimeout = TimeSpan.FromSeconds(7) });
        await using var events = await rig.OpenAsync();

        var ended = await rig.EndsAfterAsync(events, 7000);

        var failure = await Should.ThrowAsync<BackendException>(ended);
        failure.Failure.ShouldBe(BackendFailure.Stalled);
        failure.Message.ShouldBe("The backend gave no token in time.");
        rig.Time.ArmedTimers.ShouldBe(0);
    }

    [Fact]
    public async Task StallAfterTokens_EndsByTheIdleTimeout_WhichRunsWhileATokenIsAwaited()
    {
        var rig = new SimulatorRig(new SimulatorOptions { Faults = { Always("stall", after: 1) } });
        await using var events = await rig.OpenAsync();
        (await events.MoveNextAsync()).ShouldBeTrue();
        rig.Time.Advance(TimeSpan.FromMinutes(10));

        var ended = await rig.EndsAfterAsync(events, Timeout.TotalMilliseconds);

        var failure = await Should.ThrowAsync<BackendException>(ended);
        failure.Failure.ShouldBe(BackendFailure.Stalled);
        failure.Message.ShouldBe("The backend fell silent.");
    }

    [Fact]
    public async Task ScheduleSlowerThanTheTimeouts_IsAStallToo()
    {
        var late = new SimulatorRig(new SimulatorOptions { TimeToFirstToken = Timeout + TimeSpan.FromMilliseconds(1) });
        await using var first = await late.OpenAsync();
        await Should.ThrowAsync<BackendException>(await late.EndsAfterAsync(first, Timeout.TotalMilliseconds));

        var slow = new SimulatorRig(new SimulatorOptions { InterTokenLatency = Timeout });
        await using var second = await slow.OpenAsync();
        (await second.MoveNextAsync()).ShouldBeTrue();
        (await slow.ComesAfterAsync(second, Timeout.TotalMilliseconds)).Kind.ShouldBe(BackendEventKind.Text);
    }

    [Fact]
    public async Task FaultAfterTokens_ComesWhenItsTokenWouldBeDue()
    {
        var rig = new SimulatorRig(new SimulatorOptions
        {
            TimeToFirstToken = TimeSpan.FromMilliseconds(100), InterTokenLatency = TimeSpan.FromMilliseconds(20), Faults = { Always("reset", after: 1) },
        });
        await using var events = await rig.OpenAsync();
        await rig.ComesAfterAsync(events, 100);

        await Should.ThrowAsync<BackendException>(await rig.EndsAfterAsync(events, 20));
    }

    [Fact]
    public async Task Slow_TakesItsFactorLonger_AndEndsWell()
    {
        var fault = Always("slow");
        fault.Factor = 2.5;
        var rig = new SimulatorRig(new SimulatorOptions
        {
            TimeToFirstToken = TimeSpan.FromMilliseconds(100), InterTokenLatency = TimeSpan.FromMilliseconds(20), Faults = { fault },
        });
        await using var events = await rig.OpenAsync(tokens: 2);

        await rig.ComesAfterAsync(events, 250);
        await rig.ComesAfterAsync(events, 50);
        (await events.MoveNextAsync()).ShouldBeTrue();
        events.Current.Ending!.Reason.ShouldBe(FinishReason.Length);
    }

    [Fact]
    public async Task RetryAfter_IsTold()
    {
        var fault = Always("503");
        fault.RetryAfter = TimeSpan.FromSeconds(9);

        var (_, failure) = await new SimulatorRig(new SimulatorOptions { Faults = { fault } }).ReadAsync();

        failure!.RetryAfter.ShouldBe(TimeSpan.FromSeconds(9));
        failure.HttpStatus.ShouldBe(503);
        failure.Message.ShouldBe("The backend answered 503: simulated");
    }

    [Fact]
    public void Draw_EachFault_HasItsShare()
    {
        var faults = new SimulatorFaults([Sometimes("429", 0.1), Sometimes("reset", 0.3), Sometimes("stall", 0.05)]);

        var drawn = Enumerable.Range(0, 100_000).CountBy(seed => faults.Draw(seed).Kind).ToDictionary();

        // Standard deviations are below 0.0015 of the calls.
        (drawn[SimulatorFaultKind.Status] / 100_000d).ShouldBe(0.1, tolerance: 0.01);
        (drawn[SimulatorFaultKind.Reset] / 100_000d).ShouldBe(0.3, tolerance: 0.01);
        (drawn[SimulatorFaultKind.Stall] / 100_000d).ShouldBe(0.05, tolerance: 0.01);
        (drawn[SimulatorFaultKind.None] / 100_000d).ShouldBe(0.55, tolerance: 0.01);
    }

    [Fact]
    public void Draw_RatesOfOne_HitAlways()
    {
        var faults = new SimulatorFaults([Sometimes("429", 0.5), Sometimes("reset", 0.5)]);

        Properties.HoldsForSeeds(random => faults.Draw(random.NextInt64()).ShouldNotBe(SimulatorFault.None));
    }

    [Fact]
    public async Task SameSeed_SameFault_RetriedOrElsewhere()
    {
        var options = new SimulatorOptions { Faults = { Sometimes("reset", 0.5) } };
        var (one, other) = (new SimulatorRig(options), new SimulatorRig(options));
        var fates = new List<bool>();
        for (var seed = 0; seed < 20; seed++)
        {
            var fate = (await one.ReadAsync(tokens: 1, seed: seed)).Failure is null;
            ((await one.ReadAsync(tokens: 1, seed: seed)).Failure is null).ShouldBe(fate);
            ((await other.ReadAsync(tokens: 1, seed: seed)).Failure is null).ShouldBe(fate);
            fates.Add(fate);
        }

        fates.Distinct().Count().ShouldBe(2);
    }

    [Fact]
    public async Task WithoutSeed_SameFaultsInOrder_AndTheSeedThatIsToldRepeatsThem()
    {
        var options = new SimulatorOptions { Faults = { Sometimes("reset", 0.5, after: 1) }, Seed = 7 };
        var (one, other) = (new SimulatorRig(options), new SimulatorRig(options));
        var seeds = new HashSet<long>();
        for (var call = 0; call < 20; call++)
        {
            var (events, failure) = await one.ReadAsync(tokens: 2);
            var seed = events[0].Opening!.Seed!.Value;
            seed.ShouldBeInRange(0, int.MaxValue);
            seeds.Add(seed);
            var (same, sameFailure) = await other.ReadAsync(tokens: 2);
            same[0].Opening!.Seed.ShouldBe(seed);
            (sameFailure is null).ShouldBe(failure is null);
            ((await other.ReadAsync(tokens: 2, seed: seed)).Failure is null).ShouldBe(failure is null);
        }

        seeds.Count.ShouldBe(20);
        options.Seed = 8;
        (await new SimulatorRig(options).ReadAsync(tokens: 2)).Events[0].Opening!.Seed!.Value.ShouldNotBeOneOf([.. seeds]);
    }

    private static SimulatorFaultOptions Always(string kind, int after = 0) => Sometimes(kind, 1, after);

    private static SimulatorFaultOptions Sometimes(string kind, double rate, int after = 0) =>
        new() { Kind = kind, Rate = rate, AfterTokens = after };
}
