using System.Text;
using Grpc.Core;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Grpc;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;
using Xds.Data.Orca.V3;

namespace GrpcLlm.Server.Tests.Grpc;

public sealed class CallTrailersTests
{
    private readonly FakeCallContext _context = new();

    [Fact]
    public void WriteFinish_TellsReasonNameAndSummary()
    {
        var record = Record("r", "m", "b");
        record.Finish(FinishReason.StopSequence, "END");

        CallTrailers.WriteFinish(_context, record);

        _context.ResponseTrailers.Select(static entry => entry.Key)
            .ShouldBe(["finish-reason", "request-id", "generation-summary-bin"]);
        _context.ResponseTrailers.GetValue("finish-reason").ShouldBe("stop_sequence");
        _context.ResponseTrailers.GetValue("request-id").ShouldBe("r");
        Summary().ShouldBe(record.BuildSummary());
        _context.Status.StatusCode.ShouldBe(StatusCode.OK);
    }

    [Fact]
    public void WriteFailure_SaysErrorAndSetsTheStatus()
    {
        var record = Record("r", "m", "b");
        record.Fail(ErrorReason.Overloaded);

        CallTrailers.WriteFailure(_context, record, new CallFailureException(ErrorReason.Overloaded, "Full."));

        _context.ResponseTrailers.GetValue("finish-reason").ShouldBe("error");
        _context.Status.ShouldBe(new Status(StatusCode.Unavailable, "Full."));
        Summary().ErrorReason.ShouldBe(ErrorReason.Overloaded);
        Summary().FinishReason.ShouldBe(FinishReason.Unspecified);
    }

    [Fact]
    public void Summary_ManyAttempts_TellsTheLatestEight()
    {
        var record = Record("r", "m", "b");
        for (var number = 1u; number <= 20; number++) record.Attempts.Add(new Attempt { Number = number, Backend = "b" });

        CallTrailers.WriteFinish(_context, record);

        Summary().AttemptLog.Select(static attempt => attempt.Number).ShouldBe(Enumerable.Range(13, 8).Select(static n => (uint)n));
        Summary().Attempts.ShouldBe(20u);
        record.Attempts.Count.ShouldBe(20);
    }

    [Fact]
    public void Summary_LongAttempts_TellsFewerButTheLatest()
    {
        var record = Record("r", "m", "b");
        for (var number = 1u; number <= 8; number++)
            record.Attempts.Add(new Attempt { Number = number, Backend = new string('b', 300) });

        CallTrailers.WriteFinish(_context, record);

        Summary().CalculateSize().ShouldBeLessThanOrEqualTo(CallTrailers.MaxSummaryBytes);
        Summary().AttemptLog.Count.ShouldBeInRange(2, 7);
        Summary().AttemptLog[^1].Number.ShouldBe(8u);
    }

    [Fact]
    public void Summary_LongNameFromTheUpstream_DoesNotCostTheAttempts()
    {
        var record = Record("r", "m", "b");
        record.Opening = new BackendOpening { Model = new string('€', 5000) };
        record.Attempts.Add(new Attempt { Number = 1, Backend = "b" });

        CallTrailers.WriteFinish(_context, record);

        Summary().AttemptLog.Count.ShouldBe(1);
        Encoding.UTF8.GetByteCount(Summary().BackendModel).ShouldBeInRange(100, 128);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Trailers_LongestNamesEverywhere_StayUnderFourKibibytes(bool failed)
    {
        var record = WorstRecord();
        if (failed)
        {
            record.Fail(ErrorReason.UpstreamUnavailable);
            CallTrailers.WriteFailure(_context, record, new CallFailureException(
                ErrorReason.UpstreamUnavailable, new string('€', 5000))
            { RetryAfter = TimeSpan.MaxValue });
        }
        else
        {
            CallTrailers.WriteFinish(_context, record);
        }

        AssertFits();
    }

    [Fact]
    public void Trailers_OfAHostileRequest_StayUnderFourKibibytes()
    {
        var record = WorstRecord();
        var violations = new Violations();
        for (var index = 0; index < 1000; index++) violations.Add(new string('€', 500), new string('\0', 500));
        record.Fail(ErrorReason.InvalidRequest);

        CallTrailers.WriteFailure(_context, record, CallFailureException.Invalid(violations));

        AssertFits();
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(3000, true)]
    [InlineData(3700, false)]
    public void LoadReport_IsLeftOutWhereThereIsNoRoom(int otherTrailers, bool told)
    {
        var time = new FakeTimeProvider();
        using var queue = new AdmissionQueue(new AdmissionOptions(), time);
        var record = new GenerationRecord(new CallClock(time), "r") { Load = new LoadMonitor(queue, new StatusHistory(time), time) };
        record.MessageSent(new TokenChunk { TokenCount = 3 });
        record.Finish(FinishReason.Stop);
        _context.ResponseTrailers.Add("x", new string('x', otherTrailers));

        CallTrailers.WriteFinish(_context, record);

        AssertFits();
        var report = _context.ResponseTrailers.GetValueBytes("endpoint-load-metrics-bin");
        (report is not null).ShouldBe(told);
        if (told) OrcaLoadReport.Parser.ParseFrom(report).NamedMetrics[LoadMonitor.TokensPerSecond].ShouldBe(3);
    }

    private void AssertFits()
    {
        Summary().CalculateSize().ShouldBeLessThanOrEqualTo(CallTrailers.MaxSummaryBytes);
        var status = _context.Status;
        var total = "grpc-status".Length + 2 + "grpc-message".Length
            + Encoding.UTF8.GetBytes(status.Detail ?? "").Sum(static one => one is >= 0x20 and <= 0x7E and not (byte)'%' ? 1 : 3);
        foreach (var entry in _context.ResponseTrailers)
            total += entry.Key.Length + (entry.IsBinary ? Convert.ToBase64String(entry.ValueBytes).Length : entry.Value.Length);

        total.ShouldBeLessThan(4096);
    }

    /// <summary>Names as long as configuration and validation let them be; whatever an upstream may say.</summary>
    private static GenerationRecord WorstRecord()
    {
        var longest = new string('€', 128);
        var wide = new string('€', 50_000);
        var record = new GenerationRecord(new CallClock(new FakeTimeProvider()), new string('r', 128))
        {
            Model = longest, Backend = longest, Price = new Price("USD", 999_999, 999_999, 999_999, 999_999),
        };
        record.Opening = new BackendOpening { Model = wide, ResponseId = wide };
        var filter = new ContentFilter { Stage = FilterStage.Output, Source = wide };
        for (var index = 0; index < 100; index++) filter.Categories.Add(wide);
        record.MessageSent(new TokenChunk
        {
            Sequence = ulong.MaxValue, Text = "x", ElapsedUs = long.MaxValue, TokenCount = uint.MaxValue,
        });
        record.TokensArrived(uint.MaxValue, long.MaxValue, isReasoning: true);
        record.QueueMicroseconds = record.ClientStallMicroseconds = long.MaxValue;
        for (var number = 0u; number < 100; number++)
            record.Attempts.Add(new Attempt { Number = uint.MaxValue, Backend = longest, KeyLabel = wide, StartUs = 1 });
        record.Finish(new BackendEnding(FinishReason.Other)
        {
            RawReason = wide,
            StopSequence = wide,
            ContentFilter = filter,
            Usage = new Usage
            {
                InputTokens = uint.MaxValue,
                CachedInputTokens = uint.MaxValue,
                CacheWriteInputTokens = uint.MaxValue,
                OutputTokens = uint.MaxValue,
                ReasoningTokens = uint.MaxValue,
                Source = UsageSource.Estimated,
                InputSource = UsageSource.Counted,
            },
        });
        return record;
    }

    private GenerationSummary Summary() =>
        GenerationSummary.Parser.ParseFrom(_context.ResponseTrailers.GetValueBytes("generation-summary-bin"));

    private static GenerationRecord Record(string requestId, string model, string backend) =>
        new(new CallClock(new FakeTimeProvider()), requestId) { Model = model, Backend = backend };
}
