using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Telemetry;

public sealed class GenerationRecordTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly GenerationRecord _record;

    public GenerationRecordTests() => _record = new GenerationRecord(new CallClock(_time), "r") { Model = "m", Backend = "b" };

    [Fact]
    public void Usage_BackendToldTheEnd_IsItsOwnNumbers()
    {
        var usage = new Usage { InputTokens = 4, OutputTokens = 7, Source = UsageSource.Reported };
        _record.TokensArrived(9, 1, isReasoning: false);

        _record.Finish(new BackendEnding(FinishReason.Stop) { Usage = usage });

        _record.FinalUsage.ShouldBe(usage);
    }

    [Fact]
    public void Usage_EndWithoutNumbers_IsTheLastReport()
    {
        _record.ReportedUsage = new Usage { OutputTokens = 7, Source = UsageSource.Reported };
        _record.TokensArrived(9, 1, isReasoning: false);

        _record.Finish(new BackendEnding(FinishReason.Stop));

        _record.FinalUsage.OutputTokens.ShouldBe(7u);
    }

    [Fact]
    public void Usage_NothingReported_IsWhatWasCounted()
    {
        _record.Opening = new BackendOpening { InputTokens = 5, TokenCountSource = UsageSource.Counted };
        _record.TokensArrived(9, 1, isReasoning: false);

        _record.Finish(new BackendEnding(FinishReason.Stop));

        _record.FinalUsage.ShouldBe(new Usage { InputTokens = 5, OutputTokens = 9, Source = UsageSource.Counted });
    }

    [Fact]
    public void Usage_CutShort_KeepsTheReportedInputAndCountsTheOutput()
    {
        _record.Opening = new BackendOpening { TokenCountSource = UsageSource.Estimated };
        _record.ReportedUsage = new Usage { InputTokens = 4, CachedInputTokens = 3, OutputTokens = 1, Source = UsageSource.Reported };
        _record.TokensArrived(9, 1, isReasoning: false);

        _record.Finish(FinishReason.Cancelled);

        _record.FinalUsage.ShouldBe(new Usage
        {
            InputTokens = 4,
            CachedInputTokens = 3,
            OutputTokens = 9,
            Source = UsageSource.Estimated,
            InputSource = UsageSource.Reported,
        });
    }

    [Fact]
    public void Usage_CutShortWithMoreReportedThanReceived_KeepsTheReport()
    {
        _record.ReportedUsage = new Usage { OutputTokens = 50, ReasoningTokens = 45, Source = UsageSource.Reported };
        _record.TokensArrived(5, 1, isReasoning: false);

        _record.Finish(FinishReason.TimeBudget);

        _record.FinalUsage.ShouldBe(new Usage { OutputTokens = 50, ReasoningTokens = 45, Source = UsageSource.Reported });
    }

    [Fact]
    public void Usage_NothingHappened_IsNotKnown() => _record.FinalUsage.ShouldBe(new Usage());

    [Fact]
    public void Usage_ServedWithoutInputTold_EstimatesIt_AndIsNoMoreCertain()
    {
        _record.InputEstimate = 100;
        _record.Opening = new BackendOpening { TokenCountSource = UsageSource.Counted };
        _record.Attempts.Add(new Attempt { Number = 1, Outcome = AttemptOutcome.Served });
        _record.TokensArrived(9, 1, isReasoning: false);

        _record.Finish(FinishReason.Cancelled);

        _record.FinalUsage.ShouldBe(new Usage { InputTokens = 100, OutputTokens = 9, Source = UsageSource.Estimated });
    }

    [Fact]
    public void Usage_LastAttemptGivenUp_IsItsOwn()
    {
        var usage = new Usage { InputTokens = 5, Source = UsageSource.Estimated };
        _record.Attempts.Add(new Attempt { Number = 1, Outcome = AttemptOutcome.Cancelled, Usage = usage });

        _record.Fail(ErrorReason.FirstTokenTimeout);

        _record.FinalUsage.ShouldBe(usage);
    }

    [Fact]
    public void Cost_IsOfAllAttempts_AndTheSameEverywhere()
    {
        _record.Price = new Price("USD", 1, 1, 1, 2);
        _record.Attempts.Add(new Attempt { Number = 1, Outcome = AttemptOutcome.Failed });
        _record.Attempts.Add(new Attempt { Number = 2, Outcome = AttemptOutcome.Cancelled, Usage = new Usage { InputTokens = 5 } });
        _record.Attempts.Add(new Attempt { Number = 3, Outcome = AttemptOutcome.Served });
        _record.Finish(new BackendEnding(FinishReason.Stop) { Usage = new Usage { InputTokens = 5, OutputTokens = 10 } });

        _record.FinalCost.ShouldBe(0.00003m);
        _record.BuildFinish().Cost.ShouldBe(new Money { CurrencyCode = "USD", Nanos = 30_000 });
        _record.BuildSummary().Cost.ShouldBe(new Money { CurrencyCode = "USD", Nanos = 30_000 });
    }

    [Fact]
    public void Cost_WithoutAPrice_IsNotTold()
    {
        _record.Attempts.Add(new Attempt { Number = 1, Outcome = AttemptOutcome.Served });

        _record.FinalCost.ShouldBeNull();
        _record.BuildFinish().Cost.ShouldBeNull();
    }

    [Theory]
    [InlineData(1u, 0u, false, 1u, null)]
    [InlineData(2u, 0u, false, 2u, 900.0)]
    [InlineData(4u, 0u, false, 4u, 300.0)]
    [InlineData(10u, 6u, false, 4u, 300.0)]
    [InlineData(10u, 6u, true, 10u, 100.0)]
    [InlineData(5u, 9u, false, 0u, null)]
    public void Tpot_DividesByTheTokensThatWereStreamedLessOne(
        uint output, uint reasoning, bool streamed, uint tpotTokens, double? tpot)
    {
        _record.TokensArrived(1, 100, isReasoning: streamed);
        _record.TokensArrived(1, 1000, isReasoning: false);
        var usage = new Usage { OutputTokens = output, Source = UsageSource.Reported };
        if (reasoning > 0) usage.ReasoningTokens = reasoning;

        _record.Finish(new BackendEnding(FinishReason.Stop) { Usage = usage });

        _record.FinalTiming.TpotTokens.ShouldBe(tpotTokens);
        _record.FinalTiming.HasTpotUs.ShouldBe(tpot is not null);
        if (tpot is { } value) _record.FinalTiming.TpotUs.ShouldBe(value);
    }

    [Fact]
    public void UsedTokens_AddsUpAllAttempts()
    {
        _record.Attempts.Add(new Attempt { Number = 1, Outcome = AttemptOutcome.Failed });
        _record.Attempts.Add(new Attempt { Number = 2, Outcome = AttemptOutcome.Failed, Usage = new Usage { InputTokens = 7 } });
        _record.Attempts.Add(new Attempt { Number = 3, Outcome = AttemptOutcome.Cancelled });
        _record.Attempts.Add(new Attempt { Number = 4, Outcome = AttemptOutcome.Served });
        _record.TokensArrived(5, 1, isReasoning: false);

        _record.InputEstimate = 100;

        // Nothing for the first; input as told; input as estimated; the same and five tokens.
        _record.UsedTokens().ShouldBe(0 + 7 + 100 + 100 + 5);
    }

    [Fact]
    public void Timing_TellsWhereTheTimeWent()
    {
        _record.Attempts.Add(new Attempt { Number = 1, Outcome = AttemptOutcome.Served, StartUs = 40 });
        _record.QueueMicroseconds = 30;
        _record.WaitingMicroseconds = 500;
        _record.ClientStallMicroseconds = 20;
        _record.TokensArrived(1, 100, isReasoning: true);
        _record.MessageSent(new TokenChunk { ElapsedUs = 10, Progress = new Progress() });
        _record.MessageSent(new TokenChunk { ElapsedUs = 110, Reasoning = "r" });
        _record.MessageSent(new TokenChunk { ElapsedUs = 210, Text = "t" });
        _time.AdvanceMicroseconds(700);

        _record.FinalTiming.ShouldBe(new Timing
        {
            QueueUs = 30,
            UpstreamFirstTokenUs = 60,
            TtftUs = 110,
            FirstTextUs = 210,
            TotalUs = 700,
            ClientStallUs = 20,
            OverheadUs = 170,
            TpotTokens = 1,
        });
    }

    [Fact]
    public void Timing_NoToken_LeavesTheRestAbsent()
    {
        _record.MessageSent(new TokenChunk { ElapsedUs = 9, Started = new Started() });

        var timing = _record.FinalTiming;

        timing.HasTtftUs.ShouldBeFalse();
        timing.HasFirstTextUs.ShouldBeFalse();
        timing.HasUpstreamFirstTokenUs.ShouldBeFalse();
        timing.HasTpotUs.ShouldBeFalse();
    }

    [Fact]
    public void FinishAndSummary_Agree()
    {
        _record.Opening = new BackendOpening { Model = "snapshot", ResponseId = new string('i', 200) };
        _record.Attempts.Add(new Attempt { Number = 1, Backend = "b", Outcome = AttemptOutcome.Served, StartUs = 5 });
        _record.TokensArrived(3, 50, isReasoning: false);
        _record.MessageSent(new TokenChunk { Sequence = 1, Text = "x", TokenCount = 3, ElapsedUs = 60 });
        _record.Finish(new BackendEnding(FinishReason.ContentFilter)
        {
            RawReason = new string('é', 40), ContentFilter = new ContentFilter { Categories = { "violence" } },
        });
        _time.AdvanceMicroseconds(90);

        var finish = _record.BuildFinish();
        _time.AdvanceMicroseconds(1000);
        var summary = _record.BuildSummary();

        finish.Timing.TotalUs.ShouldBe(90UL);
        foreach (var field in Finish.Descriptor.Fields.InDeclarationOrder())
        {
            var name = string.Equals(field.Name, "reason", StringComparison.Ordinal) ? "finish_reason" : field.Name;
            GenerationSummary.Descriptor.FindFieldByName(name).Accessor.GetValue(summary)
                .ShouldBe(field.Accessor.GetValue(finish), field.Name);
        }

        summary.LastSequence.ShouldBe(1UL);
        summary.AttemptLog.ShouldHaveSingleItem().ShouldBe(new Attempt
        {
            Number = 1, Backend = "b", Outcome = AttemptOutcome.Served, StartUs = 5, DurationUs = 85, Usage = finish.Usage,
        });
        finish.BackendFinishReason.ShouldBe(new string('é', 32));
        finish.BackendResponseId.Length.ShouldBe(128);
    }

    [Fact]
    public void Fail_AfterAFinish_IsAFailure()
    {
        _record.Finish(FinishReason.Stop);

        _record.Fail(ErrorReason.ClientCancelled);

        var summary = _record.BuildSummary();
        summary.FinishReason.ShouldBe(FinishReason.Unspecified);
        summary.ErrorReason.ShouldBe(ErrorReason.ClientCancelled);
    }

    [Theory]
    [InlineData("abc", 3, "abc")]
    [InlineData("abc", 2, "ab")]
    [InlineData("é", 1, "")]
    [InlineData("a😀b", 4, "a")]
    [InlineData("a😀b", 5, "a😀")]
    [InlineData("€€", 5, "€")]
    [InlineData("", 0, "")]
    public void Cut_EndsAtACodePoint(string text, int bytes, string cut) => Utf8Text.Cut(text, bytes).ShouldBe(cut);
}
