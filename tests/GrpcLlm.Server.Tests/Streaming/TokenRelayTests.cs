using Google.Protobuf.WellKnownTypes;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.Server.Backends.BackendEvent;

namespace GrpcLlm.Server.Tests.Streaming;

public sealed class TokenRelayTests : IDisposable
{
    private readonly CallRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task Run_FastClient_WritesEachEventBeforeTheNextIsAwaited()
    {
        _rig.Events.Add(TextDelta("b"));
        _rig.Events.Do(() => _rig.Text.ShouldBe("ab"));
        _rig.Events.Add(TextDelta("c")).Add(CallRig.Stop);

        await _rig.RunAsync(TextDelta("a"));

        _rig.Messages.Select(static message => message.Text).ShouldBe(["a", "b", "c", ""]);
        AssertWellFormed(_rig.Messages);
        _rig.Record.FinishReason.ShouldBe(FinishReason.Stop);
        _rig.Events.Disposed.ShouldBe(1);
        _rig.States.Current.ShouldBe(StreamState.Streaming);
    }

    [Fact]
    public async Task Run_EventsThatCameTogether_AreHandedOnTogetherBeforeAnythingIsAwaited()
    {
        _rig.Events.Add(TextDelta("b")).Add(TextDelta("c")).Add(UsageSoFar(new Usage()));

        var running = _rig.RunAsync(TextDelta("a"));

        // The first token waits for nobody; the others until there is nothing more at hand.
        _rig.Messages.Select(static message => message.Text).ShouldBe(["a", "b", "c"]);
        _rig.Stream.Gathered.ShouldBe([false, true, true]);
        _rig.Body.Flushes.ShouldBe(1);

        _rig.Events.Add(CallRig.Stop);
        await running;
        _rig.Stream.Gathered.ShouldBe([false, true, true, false]);
        _rig.Body.Flushes.ShouldBe(1);
    }

    [Fact]
    public async Task Run_EventThatHadToBeWaitedFor_IsHandedOnByItself()
    {
        var running = _rig.RunAsync(TextDelta("a"));
        _rig.Events.Add(TextDelta("b"));
        await _rig.Stream.HasAsync(2);
        _rig.Events.Add(CallRig.Stop);
        await running;

        _rig.Stream.Gathered.ShouldBe([false, false, false]);
        _rig.Body.Flushes.ShouldBe(0);
    }

    [Fact]
    public async Task Run_EventsThatCameTogetherAndThenAFailure_AreHandedOn()
    {
        _rig.Events.Add(TextDelta("b")).Fail(new BackendException(BackendFailure.Truncated, "broke"));

        await Should.ThrowAsync<CallFailureException>(() => _rig.RunAsync(TextDelta("a")));

        _rig.Text.ShouldBe("ab");
        _rig.Body.Flushes.ShouldBe(1);
    }

    [Fact]
    public async Task Run_FlushThatStaysPending_GoesOnIntoOneChunk()
    {
        _rig.Body.Stalled = true;
        _rig.Events.Add(TextDelta("b"));
        var running = _rig.RunAsync(TextDelta("a"));

        var merged = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _rig.Events.Add(TextDelta("c")).Add(TextDelta("d")).Do(merged.SetResult);
        await merged.Task;
        _rig.Messages.Count.ShouldBe(2);
        _rig.Body.Release();
        await _rig.Stream.HasAsync(3);
        _rig.Events.Add(CallRig.Stop);
        await running;

        _rig.Messages.Select(static message => message.Text).ShouldBe(["a", "b", "cd", ""]);
        AssertWellFormed(_rig.Messages);
    }

    [Fact]
    public async Task Run_TokenThatSpendsTheBudget_IsTheLastDelivered()
    {
        var meter = Meter(tokensPerMinute: 4, inputEstimate: 1);
        _rig.Events.Add(TextDelta("b")).Add(TextDelta("cd", 3)).Add(TextDelta("never"));

        await _rig.RunAsync(meter, TextDelta("a"));

        _rig.Text.ShouldBe("abcd");
        _rig.Record.FinishReason.ShouldBe(FinishReason.Quota);
        _rig.Messages[^1].Finish.Usage.OutputTokens.ShouldBe(5u);
        _rig.Events.Pulled.ShouldBe(2);
        _rig.Events.Disposed.ShouldBe(1);
        AssertWellFormed(_rig.Messages);
    }

    [Fact]
    public async Task Run_BudgetThatAnotherStreamSpent_DeliversNoMoreButCountsIt()
    {
        var tenant = new Tenant("t", new TenantLimits { TokensPerMinute = 10 }, _rig.Time);
        var meter = TokenMeter.Reserve(tenant, 1, null);
        _rig.Events.Add(TextDelta("b")).Do(() => tenant.TokenBudget!.Charge(100)).Add(TextDelta("withheld", 2)).Add(TextDelta("never"));

        await _rig.RunAsync(meter, TextDelta("a"));

        _rig.Text.ShouldBe("ab");
        var finish = _rig.Messages[^1].Finish;
        finish.Reason.ShouldBe(FinishReason.Quota);
        finish.StreamedTokens.ShouldBe(2u);
        finish.Usage.OutputTokens.ShouldBe(4u);
        _rig.Events.Disposed.ShouldBe(1);
    }

    [Fact]
    public async Task Run_BudgetSpentBeforeTheFirstToken_OpensAndEndsWithQuota()
    {
        var tenant = new Tenant("t", new TenantLimits { TokensPerMinute = 2 }, _rig.Time);
        var meter = TokenMeter.Reserve(tenant, 1, null);

        await _rig.RunAsync(meter, TextDelta("too many", 3));

        // One was reserved and none is left, yet a draw may overshoot only where something is left.
        _rig.Text.ShouldBe("");
        _rig.Messages.ShouldHaveSingleItem().Finish.Reason.ShouldBe(FinishReason.Quota);
    }

    [Fact]
    public async Task Run_DeclaredLimit_IsNeverCutByQuota()
    {
        var tenant = new Tenant("t", new TenantLimits { TokensPerMinute = 10 }, _rig.Time);
        var meter = TokenMeter.Reserve(tenant, 1, 9);
        for (var index = 0; index < 8; index++) _rig.Events.Add(TextDelta("x"));
        _rig.Events.Add(CallRig.Stop);

        await _rig.RunAsync(meter, TextDelta("x"));

        _rig.Record.FinishReason.ShouldBe(FinishReason.Stop);
        _rig.Text.ShouldBe("xxxxxxxxx");
    }

    private TokenMeter? Meter(int tokensPerMinute, uint inputEstimate) => TokenMeter.Reserve(
        new Tenant("t", new TenantLimits { TokensPerMinute = tokensPerMinute }, _rig.Time), inputEstimate, maxOutputTokens: null);

    [Fact]
    public async Task Run_NothingButTheEnd_OpensAndEndsWithOneMessage()
    {
        await _rig.RunAsync(CallRig.Stop);

        var message = _rig.Messages.ShouldHaveSingleItem();
        message.Started.ShouldNotBeNull();
        message.Finish.Reason.ShouldBe(FinishReason.Stop);
        message.TokenCount.ShouldBe(0u);
        message.Finish.Timing.HasTtftUs.ShouldBeFalse();
    }

    [Fact]
    public async Task Run_TokenHeldToTheEnd_CountsOnTheFinish()
    {
        _rig.Time.AdvanceMicroseconds(5);
        _rig.Events.Add(CallRig.Stop);

        await _rig.RunAsync(TextDelta("", 1));

        var message = _rig.Messages.ShouldHaveSingleItem();
        message.TokenCount.ShouldBe(1u);
        message.TokenGapsUs.ShouldBe([5u]);
        message.Finish.StreamedTokens.ShouldBe(1u);
    }

    [Fact]
    public async Task Run_UsageAndOpeningAndPings_AreNoMessages()
    {
        _rig.Events.Add(Alive).Add(Opened(new BackendOpening { ResponseId = "id" }))
            .Add(UsageSoFar(new Usage { OutputTokens = 9, Source = UsageSource.Reported })).Add(CallRig.Stop);

        await _rig.RunAsync(TextDelta("a"));

        _rig.Messages.Count.ShouldBe(2);
        _rig.Messages[1].Finish.BackendResponseId.ShouldBe("id");
        _rig.Messages[1].Finish.Usage.OutputTokens.ShouldBe(9u);
    }

    [Fact]
    public async Task Run_StalledWrite_ReadsOnIntoOneFullChunkThenStops()
    {
        for (var index = 0; index < 500; index++) _rig.Events.Add(TextDelta("x"));
        _rig.Events.Add(CallRig.Stop);
        _rig.Stream.Stalled = true;

        var run = _rig.RunAsync(TextDelta("a"));

        run.IsCompleted.ShouldBeFalse();
        _rig.Messages.Count.ShouldBe(1);
        _rig.Events.Pulled.ShouldBe(ChunkQueue.MaxMergedTokens);

        _rig.Stream.Release();
        await run;

        _rig.Messages[1].TokenCount.ShouldBe((uint)ChunkQueue.MaxMergedTokens);
        _rig.Messages[1].TokenGapsUs.Count.ShouldBe(ChunkQueue.MaxMergedTokens);
        _rig.Text.Length.ShouldBe(501);
        AssertWellFormed(_rig.Messages);
        _rig.Record.StreamedTokens.ShouldBe(501u);
    }

    [Fact]
    public async Task Run_StalledWriteAndLargeEvents_StopsReadingAtTheBytes()
    {
        for (var index = 0; index < 50; index++) _rig.Events.Add(TextDelta(new string('x', 1000)));
        _rig.Events.Add(CallRig.Stop);
        _rig.Stream.Stalled = true;

        var run = _rig.RunAsync(TextDelta("a"));

        _rig.Events.Pulled.ShouldBe(5, "four fit into a chunk; the fifth tells that there is no room");
        _rig.Stream.Release();
        await run;
        AssertWellFormed(_rig.Messages);
        _rig.Text.Length.ShouldBe(50_001);
    }

    [Fact]
    public async Task Run_StalledWrite_AnotherKindStopsReading()
    {
        _rig.Events.Add(TextDelta("x")).Add(ReasoningDelta("y")).Add(TextDelta("z")).Add(CallRig.Stop);
        _rig.Stream.Stalled = true;

        var run = _rig.RunAsync(TextDelta("a"));

        _rig.Events.Pulled.ShouldBe(2);
        _rig.Stream.Release();
        await run;
        _rig.Messages.Select(static message => message.Text + message.Reasoning).ShouldBe(["a", "x", "y", "z", ""]);
    }

    [Fact]
    public async Task Run_FinishAtHandWithTheLastDelta_RidesOnIt()
    {
        _rig.Events.Add(TextDelta("x")).Add(CallRig.Stop);
        _rig.Stream.Stalled = true;
        var run = _rig.RunAsync(TextDelta("a"));

        _rig.Stream.Release();
        await run;

        _rig.Messages.Count.ShouldBe(2);
        _rig.Messages[1].Text.ShouldBe("x");
        _rig.Messages[1].Finish.ShouldNotBeNull();
    }

    [Fact]
    public async Task Run_EventsBehindTheEnd_AreNeverRead()
    {
        _rig.Events.Add(CallRig.Stop).Add(TextDelta("late"));

        await _rig.RunAsync(TextDelta("a"));

        _rig.Events.Pulled.ShouldBe(1);
        _rig.Text.ShouldBe("a");
    }

    [Fact]
    public async Task Run_StopSequence_StopsTheBackendBeforeTheFinishIsWritten()
    {
        using var rig = new CallRig(new GenerateRequest { Prompt = "p", Limits = new GenerationLimits { StopSequences = { "END" } } });
        rig.Stream.OnWrite = chunk =>
        {
            if (chunk.Finish is not null) rig.Events.Disposed.ShouldBe(1);
        };
        rig.Events.Add(TextDelta("xEN")).Add(TextDelta("Dy")).Add(TextDelta("more")).Add(CallRig.Stop);

        await rig.RunAsync(TextDelta("a"));

        rig.Text.ShouldBe("ax");
        AssertWellFormed(rig.Messages);
        var finish = rig.Messages[^1].Finish;
        finish.Reason.ShouldBe(FinishReason.StopSequence);
        finish.StopSequence.ShouldBe("END");
        finish.StreamedTokens.ShouldBe(3u);
        rig.Events.Pulled.ShouldBe(2);
        rig.Events.Disposed.ShouldBe(1);
    }

    [Fact]
    public async Task Run_StopSequenceInTheFirstDelta_FinishesInOneMessage()
    {
        using var rig = new CallRig(new GenerateRequest { Prompt = "p", Limits = new GenerationLimits { StopSequences = { "a" } } });

        await rig.RunAsync(TextDelta("a"));

        var message = rig.Messages.ShouldHaveSingleItem();
        message.DeltaCase.ShouldBe(TokenChunk.DeltaOneofCase.None);
        message.TokenCount.ShouldBe(1u);
        message.Finish.Reason.ShouldBe(FinishReason.StopSequence);
    }

    [Fact]
    public async Task Run_BackendFails_DeliversWhatArrivedThenThrows()
    {
        _rig.Events.Add(TextDelta("b\uD83D")).Fail(new BackendException(BackendFailure.Malformed, "nonsense"));
        _rig.Stream.Stalled = true;
        var run = _rig.RunAsync(TextDelta("a"));
        _rig.Stream.Release();

        var failure = await Should.ThrowAsync<CallFailureException>(run);

        failure.Reason.ShouldBe(ErrorReason.UpstreamMalformed);
        failure.Message.ShouldBe("nonsense");
        _rig.Text.ShouldBe("ab\uFFFD");
        _rig.Messages.ShouldAllBe(static message => message.Finish == null);
        _rig.Events.Disposed.ShouldBe(1);
    }

    [Fact]
    public async Task Run_BackendEndsWithoutAnEnd_IsTruncated()
    {
        _rig.Events.End();

        (await Should.ThrowAsync<CallFailureException>(_rig.RunAsync(TextDelta("a"))))
            .Reason.ShouldBe(ErrorReason.UpstreamTruncated);
        _rig.Text.ShouldBe("a");
    }

    [Fact]
    public async Task Run_BackendFailsWhileAllIsHeldBack_IsARejectionBeforeTheFirstToken()
    {
        using var rig = new CallRig(new GenerateRequest { Prompt = "p", Limits = new GenerationLimits { StopSequences = { "END" } } });
        rig.Events.Fail(new BackendException(BackendFailure.Truncated, "broke") { RetryAfter = TimeSpan.FromSeconds(7) });

        var failure = await Should.ThrowAsync<CallFailureException>(rig.RunAsync(TextDelta("EN")));

        failure.Reason.ShouldBe(ErrorReason.UpstreamUnavailable);
        failure.RetryAfter.ShouldBe(TimeSpan.FromSeconds(7));
        rig.Messages.ShouldBeEmpty();
        rig.Record.Delivered.ShouldBeFalse();
    }

    [Fact]
    public async Task Run_UnforeseenFault_PassesItOnAndReadsNoMore()
    {
        _rig.Events.Fail(new FormatException("bug"));

        await Should.ThrowAsync<FormatException>(_rig.RunAsync(TextDelta("a")));

        _rig.Events.Disposed.ShouldBe(1);
        _rig.Lifetime.Cause.ShouldBe(StopCause.None, "no read was pending, so nothing had to be abandoned");
    }

    [Fact]
    public async Task Run_Cancelled_FinishesWithWhatArrived()
    {
        var run = _rig.RunAsync(TextDelta("a"));
        _rig.Lifetime.Stop(StopCause.Cancelled);

        await run;

        _rig.Messages[^1].Finish.Reason.ShouldBe(FinishReason.Cancelled);
        _rig.Text.ShouldBe("a");
        AssertWellFormed(_rig.Messages);
        _rig.Events.Disposed.ShouldBe(1);
    }

    [Fact]
    public async Task Run_Draining_DeliversWhatArrivedThenFails()
    {
        using var rig = new CallRig(new GenerateRequest { Prompt = "p", Limits = new GenerationLimits { StopSequences = { "END" } } });
        var run = rig.RunAsync(TextDelta("a"), TextDelta("EN"));

        rig.Lifetime.Stop(StopCause.Draining);

        (await Should.ThrowAsync<CallFailureException>(run)).Reason.ShouldBe(ErrorReason.Draining);
        rig.Text.ShouldBe("aEN");
        rig.Record.Delivered.ShouldBeTrue();
        rig.Messages.ShouldAllBe(static message => message.Finish == null);
        rig.Events.Disposed.ShouldBe(1);
    }

    [Fact]
    public async Task Run_BudgetOver_FinishesWithTimeBudgetAndUsage()
    {
        using var rig = new CallRig(budget: TimeSpan.FromSeconds(5));
        var run = rig.RunAsync(TextDelta("a"));

        rig.Time.Advance(TimeSpan.FromSeconds(5));
        await run;

        var finish = rig.Messages[^1].Finish;
        finish.Reason.ShouldBe(FinishReason.TimeBudget);
        finish.Usage.OutputTokens.ShouldBe(1u);
    }

    [Fact]
    public async Task Run_BudgetOverWhileAllIsHeldBack_IsADeadline()
    {
        using var rig = new CallRig(
            new GenerateRequest { Prompt = "p", Limits = new GenerationLimits { StopSequences = { "END" } } },
            budget: TimeSpan.FromSeconds(5));
        var run = rig.RunAsync(TextDelta("EN"));

        rig.Time.Advance(TimeSpan.FromSeconds(5));

        (await Should.ThrowAsync<CallFailureException>(run)).Reason.ShouldBe(ErrorReason.Deadline);
        rig.Messages.ShouldBeEmpty();
    }

    [Fact]
    public async Task Run_ClientLeaves_StopsTheBackendAndBlamesTheClient()
    {
        var run = _rig.RunAsync(TextDelta("a"));

        _rig.ClientLeaves();

        (await Should.ThrowAsync<CallFailureException>(run)).Reason.ShouldBe(ErrorReason.ClientCancelled);
        _rig.Events.Disposed.ShouldBe(1);
    }

    [Fact]
    public async Task Run_BackendJustEndsWhenToldToStop_IsTheStopAndNoTruncation()
    {
        var run = _rig.Relay.RunAsync(new OpenedAnswer([TextDelta("a")], 0, EndsWhenStoppedAsync()));

        _rig.ClientLeaves();

        (await run)!.Reason.ShouldBe(ErrorReason.ClientCancelled);

        async IAsyncEnumerator<BackendEvent> EndsWhenStoppedAsync()
        {
            await _rig.Lifetime.Stopped;
            yield break;
        }
    }

    [Fact]
    public async Task Run_WriteFailsWhileTheBackendIsSilent_AbandonsTheRead()
    {
        _rig.Stream.Stalled = true;
        var run = _rig.RunAsync(TextDelta("a"));

        _rig.Stream.Break(new IOException("gone"));

        (await Should.ThrowAsync<CallFailureException>(run)).Reason.ShouldBe(ErrorReason.ClientCancelled);
        _rig.Events.Disposed.ShouldBe(1);
        _rig.Lifetime.Cause.ShouldBe(StopCause.Abandoned);
    }

    [Fact]
    public async Task Run_ClientStalls_IsResetAndBlamed()
    {
        using var rig = new CallRig(stallTimeout: TimeSpan.FromSeconds(60));
        rig.Stream.Stalled = true;
        rig.Reset.OnReset = () => rig.Stream.Break(new OperationCanceledException());
        for (var index = 0; index < 100; index++) rig.Events.Add(TextDelta("x"));
        var run = rig.RunAsync(TextDelta("a"));

        rig.Time.Advance(TimeSpan.FromSeconds(60));

        (await Should.ThrowAsync<CallFailureException>(run)).Reason.ShouldBe(ErrorReason.ClientStalled);
        rig.Reset.Codes.ShouldBe([8]);
        rig.Events.Disposed.ShouldBe(1);
    }

    [Fact]
    public async Task Run_CancelledWhileTheClientStalls_StopsTheBackendAtOnce()
    {
        for (var index = 0; index < 100; index++) _rig.Events.Add(TextDelta("x"));
        _rig.Stream.Stalled = true;
        var disposed = _rig.Events.WhenDisposed;
        var run = _rig.RunAsync(TextDelta("a"));

        _rig.Lifetime.Stop(StopCause.Cancelled);
        await disposed;
        run.IsCompleted.ShouldBeFalse();
        _rig.Stream.Release();
        await run;

        _rig.Messages[^1].Finish.Reason.ShouldBe(FinishReason.Cancelled);
        _rig.Text.Length.ShouldBe(1 + ChunkQueue.MaxMergedTokens);
    }

    [Fact]
    public async Task Run_Coalescing_SendsTheFirstTokenAtOnceAndTheRestByTimeOrCount()
    {
        using var rig = new CallRig(new GenerateRequest
        {
            Prompt = "p",
            Output = new OutputOptions
            {
                Coalescing = new Coalescing { MaxDelay = Duration.FromTimeSpan(TimeSpan.FromMilliseconds(10)), MaxTokens = 3 },
            },
        });
        rig.Events.Add(TextDelta("b")).Add(TextDelta("c")).Add(TextDelta("d")).Add(TextDelta("e"));
        var run = rig.RunAsync(TextDelta("a"));
        rig.Messages.Select(static message => message.Text).ShouldBe(["a", "bcd"]);

        rig.Time.Advance(TimeSpan.FromMilliseconds(10));
        await rig.Stream.HasAsync(3);
        rig.Messages[2].Text.ShouldBe("e");
        rig.Events.Add(TextDelta("f")).Add(CallRig.Stop);
        await run;

        rig.Messages.Count.ShouldBe(4);
        rig.Messages[3].Text.ShouldBe("f");
        AssertWellFormed(rig.Messages);
    }

    [Theory]
    [InlineData(nameof(StopCause.Cancelled), "")]
    [InlineData(nameof(StopCause.TimeBudget), nameof(ErrorReason.Deadline))]
    [InlineData(nameof(StopCause.Draining), nameof(ErrorReason.Draining))]
    [InlineData(nameof(StopCause.ClientGone), nameof(ErrorReason.ClientCancelled))]
    [InlineData(nameof(StopCause.ClientStalled), nameof(ErrorReason.ClientStalled))]
    public async Task StopBeforeFirstToken_EachCause_HasItsEnd(string cause, string reason)
    {
        _rig.Lifetime.Stop(System.Enum.Parse<StopCause>(cause));

        var failure = await _rig.Relay.StopBeforeFirstTokenAsync();

        if (reason.Length == 0)
        {
            failure.ShouldBeNull();
            var message = _rig.Messages.ShouldHaveSingleItem();
            message.Started.Backend.ShouldBe("b");
            message.Finish.Reason.ShouldBe(FinishReason.Cancelled);
        }
        else
        {
            failure.ShouldNotBeNull().Reason.ShouldBe(System.Enum.Parse<ErrorReason>(reason));
            _rig.Messages.ShouldBeEmpty();
        }
    }

    [Fact]
    public void Run_AnyAnswerAnyClient_KeepsEveryTokenAndRule() => Properties.HoldsForSeeds(
        random =>
        {
            using var rig = new CallRig();
            var text = "";
            var tokens = 1u;
            for (var index = random.Next(0, 200); index > 0; index--)
            {
                var piece = new string('x', random.Next(0, 200));
                var count = (uint)random.Next(0, 3);
                text += piece;
                tokens += count;
                rig.Events.Do(() => rig.Time.AdvanceMicroseconds(3));
                rig.Events.Add(random.Next(3) == 0
                    ? ReasoningDelta(piece, count, partIndex: 1) : TextDelta(piece, count));
            }

            rig.Events.Add(CallRig.Stop);
            rig.Stream.Stalled = true;
            rig.Stream.OnWrite = _ => rig.Stream.Stalled = random.Next(3) == 0;
            var run = rig.RunAsync(TextDelta("x"));
            for (var stalls = 0; stalls < 500 && !run.IsCompleted; stalls++) rig.Stream.Release();
            run.IsCompletedSuccessfully.ShouldBeTrue($"{run.Exception}");

            AssertWellFormed(rig.Messages);
            string.Concat(rig.Messages.Select(static message => message.Text + message.Reasoning)).ShouldBe("x" + text);
            rig.Messages.Sum(static message => message.TokenCount).ShouldBe(tokens);
            rig.Messages.Sum(static message => message.TokenGapsUs.Sum(static gap => (long)gap))
                .ShouldBe(rig.Record.LastArrivalMicroseconds);
        },
        count: 200);

    /// <summary>Rules 3 and 4 of the stream: dense from 1, started once on the first, finish once on the last.</summary>
    private static void AssertWellFormed(IReadOnlyList<TokenChunk> messages)
    {
        messages.Select(static message => message.Sequence).ShouldBe(Enumerable.Range(1, messages.Count).Select(static i => (ulong)i));
        messages.Select(static message => message.Started is not null)
            .ShouldBe(messages.Select(static (_, index) => index == 0));
        messages.Select(static message => message.Finish is not null)
            .ShouldBe(messages.Select((_, index) => index == messages.Count - 1));
        messages.ShouldAllBe(static message => message.TokenGapsUs.Count == message.TokenCount);
    }
}
