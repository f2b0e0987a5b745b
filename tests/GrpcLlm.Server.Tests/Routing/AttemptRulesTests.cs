using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Routing;

namespace GrpcLlm.Server.Tests.Routing;

public sealed class AttemptRulesTests
{
    // The table of AttemptRules, row by row: other key, next route, again, breaker.
    [Theory]
    [InlineData(nameof(BackendFailure.Unavailable), false, true, true, true)]
    [InlineData(nameof(BackendFailure.Stalled), false, true, true, true)]
    [InlineData(nameof(BackendFailure.Truncated), false, true, true, true)]
    [InlineData(nameof(BackendFailure.Malformed), false, true, true, true)]
    [InlineData(nameof(BackendFailure.Failed), false, true, true, true)]
    [InlineData(nameof(BackendFailure.RateLimited), true, true, true, false)]
    [InlineData(nameof(BackendFailure.Misconfigured), false, true, false, false)]
    [InlineData(nameof(BackendFailure.Overloaded), false, true, true, false)]
    [InlineData(nameof(BackendFailure.ContextTooLong), false, true, false, false)]
    [InlineData(nameof(BackendFailure.Rejected), false, false, false, false)]
    public void Failure_HasItsRow(string failure, bool otherKey, bool nextRoute, bool again, bool breaker)
    {
        var rule = AttemptRules.Of(new BackendException(Enum.Parse<BackendFailure>(failure), "why"));

        rule.ShouldBe(new AttemptRule(otherKey, nextRoute, again, breaker));
        rule.IsFinal.ShouldBe(failure == nameof(BackendFailure.Rejected));
    }

    [Fact]
    public void EveryFailure_HasARowAbove()
    {
        var rows = typeof(AttemptRulesTests).GetMethod(nameof(Failure_HasItsRow))!.GetCustomAttributes(typeof(InlineDataAttribute), false).Length;

        rows.ShouldBe(Enum.GetValues<BackendFailure>().Length);
    }

    [Fact]
    public void RefusedKey_TriesAnotherKeyAndCountsForNoBreaker() =>
        AttemptRules.Of(new BackendException(BackendFailure.Misconfigured, "401") { KeyRefused = true })
            .ShouldBe(new AttemptRule(OtherKey: true, NextRoute: true, Again: true, CountsForBreaker: false));

    [Fact]
    public void ErrorInsideAStream_CountsAsTheStatusThatItNames() =>
        AttemptRules.Of(new BackendException(BackendFailure.Failed, "400") { BeforeFirstToken = BackendFailure.Rejected })
            .IsFinal.ShouldBeTrue();

    [Theory]
    [InlineData(nameof(BackendFailure.Truncated), true)]
    [InlineData(nameof(BackendFailure.Stalled), true)]
    [InlineData(nameof(BackendFailure.Malformed), true)]
    [InlineData(nameof(BackendFailure.Failed), true)]
    [InlineData(nameof(BackendFailure.RateLimited), false)]
    public void MidStream_WhatTheBackendDidCounts(string failure, bool counts) =>
        AttemptRules.CountsForBreakerMidStream(new BackendException(Enum.Parse<BackendFailure>(failure), "why")).ShouldBe(counts);
}
