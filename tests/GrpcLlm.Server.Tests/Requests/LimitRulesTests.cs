using Google.Protobuf.WellKnownTypes;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;
using static GrpcLlm.Server.Tests.Requests.Given;

namespace GrpcLlm.Server.Tests.Requests;

public sealed class LimitRulesTests
{
    [Theory]
    [InlineData(0u, false)]
    [InlineData(1u, true)]
    [InlineData(uint.MaxValue, true)]
    public void MaxOutputTokens_Zero_IsRefused(uint value, bool valid) =>
        FieldsOf(With(limits => limits.MaxOutputTokens = value)).ShouldBe(valid ? [] : ["limits.max_output_tokens"]);

    [Theory]
    [InlineData(5u, 5u, true)]
    [InlineData(6u, 5u, false)]
    [InlineData(6u, null, true)]
    public void MinOutputTokens_AboveMax_IsRefused(uint min, uint? max, bool valid) =>
        FieldsOf(With(limits =>
        {
            limits.MinOutputTokens = min;
            if (max is { } most) limits.MaxOutputTokens = most;
        })).ShouldBe(valid ? [] : ["limits.min_output_tokens"]);

    [Theory]
    [InlineData(64, true)]
    [InlineData(65, false)]
    public void StopSequences_Count_IsBounded(int count, bool valid) =>
        FieldsOf(With(limits => limits.StopSequences.AddRange(Enumerable.Range(0, count).Select(i => $"s{i}"))))
            .ShouldBe(valid ? [] : ["limits.stop_sequences"]);

    [Theory]
    [InlineData("x", 256, true)]
    [InlineData("x", 257, false)]
    [InlineData("é", 128, true)]
    [InlineData("é", 129, false)]
    [InlineData("😀", 64, true)]
    [InlineData("😀", 65, false)]
    [InlineData("x", 0, false)]
    [InlineData("\n", 1, true)]
    public void StopSequence_Bytes_AreBounded(string text, int times, bool valid) =>
        FieldsOf(With(limits => limits.StopSequences.Add(string.Concat(Enumerable.Repeat(text, times)))))
            .ShouldBe(valid ? [] : ["limits.stop_sequences[0]"]);

    [Fact]
    public void StopSequences_Repeated_NamesTheSecond() =>
        FieldsOf(With(limits => limits.StopSequences.AddRange(["a", "b", "a"]))).ShouldBe(["limits.stop_sequences[2]"]);

    [Fact]
    public void StopSequences_ThatDifferInCaseOrForm_AreDistinct() =>
        FieldsOf(With(limits => limits.StopSequences.AddRange(["a", "A", "\u00e9", "e\u0301"]))).ShouldBeEmpty();

    [Theory]
    [InlineData(0, 0, false)]
    [InlineData(0, 1_000, true)]
    [InlineData(1, 0, true)]
    [InlineData(-1, 0, false)]
    [InlineData(0, -1, false)]
    [InlineData(1, -1, false)]
    [InlineData(-1, 1, false)]
    [InlineData(0, 1_000_000_000, false)]
    [InlineData(0, int.MinValue, false)]
    [InlineData(315_576_000_000, 0, true)]
    [InlineData(315_576_000_001, 0, false)]
    [InlineData(long.MaxValue, 0, false)]
    [InlineData(long.MinValue, 0, false)]
    public void TimeBudget_NotAboveZeroOrMalformed_IsRefused(long seconds, int nanos, bool valid) =>
        FieldsOf(With(limits => limits.TimeBudget = new Duration { Seconds = seconds, Nanos = nanos }))
            .ShouldBe(valid ? [] : ["limits.time_budget"]);

    [Fact]
    public void TryToTimeSpan_Valid_KeepsSecondsAndNanos()
    {
        LimitRules.TryToTimeSpan(new Duration { Seconds = 2, Nanos = 500_000_100 }, out var span).ShouldBeTrue();

        span.ShouldBe(TimeSpan.FromTicks(25_000_001));
    }

    private static GenerateRequest With(Action<GenerationLimits> change)
    {
        var limits = new GenerationLimits();
        change(limits);
        return Prompt(r => r.Limits = limits);
    }
}
