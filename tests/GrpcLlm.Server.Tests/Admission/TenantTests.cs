using System.Collections.Frozen;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Admission;

public sealed class TenantTests
{
    private static readonly ServedModel Small = new("small", ["tiny", "default"], []);

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Anonymous_HasNoLimits()
    {
        Tenant.Anonymous.Name.ShouldBeEmpty();
        Tenant.Anonymous.Limits.ShouldBe(TenantLimits.None);
        Tenant.Anonymous.RequestBudget.ShouldBeNull();
        Tenant.Anonymous.TokenBudget.ShouldBeNull();
        Tenant.Anonymous.MayUse(Small).ShouldBeTrue();
        Tenant.Anonymous.OutputLimit(null).ShouldBeNull();
        Tenant.Anonymous.TakeRequest();
    }

    [Theory]
    [InlineData("small", true)]
    [InlineData("tiny", true)]
    [InlineData("default", true)]
    [InlineData("Small", false)]
    [InlineData("large", false)]
    public void MayUse_ModelsNamed_AreAllowedUnderAnyOfTheirNames(string named, bool allowed)
    {
        var tenant = new Tenant("t", new TenantLimits { Models = new[] { named }.ToFrozenSet() }, _time);

        tenant.MayUse(Small).ShouldBe(allowed);
        if (allowed) tenant.CheckMayUse(Small);
        else Should.Throw<CallFailureException>(() => tenant.CheckMayUse(Small)).Reason.ShouldBe(ErrorReason.ModelForbidden);
    }

    [Theory]
    [InlineData(null, null, null)]
    [InlineData(null, 7u, 7u)]
    [InlineData(100, null, 100u)]
    [InlineData(100, 7u, 7u)]
    [InlineData(100, 100u, 100u)]
    [InlineData(100, 4_000_000_000u, 100u)]
    public void OutputLimit_IsTheSmallerOfBoth(int? tenants, uint? requested, uint? limit) =>
        new Tenant("t", new TenantLimits { MaxOutputTokens = tenants }, _time).OutputLimit(requested).ShouldBe(limit);

    [Fact]
    public void TakeRequest_NoneLeft_TellsLimitAndExactWait()
    {
        var tenant = new Tenant("t", new TenantLimits { RequestsPerMinute = 2 }, _time);
        tenant.TakeRequest();
        tenant.TakeRequest();
        _time.Advance(TimeSpan.FromSeconds(10));

        var failure = Should.Throw<CallFailureException>(tenant.TakeRequest);

        failure.Reason.ShouldBe(ErrorReason.QuotaExceeded);
        failure.QuotaLimit.ShouldBe("requests per minute");
        failure.QuotaTenant.ShouldBe("t");
        failure.RetryAfter.ShouldBe(TimeSpan.FromSeconds(20));
        _time.Advance(TimeSpan.FromSeconds(20));
        tenant.TakeRequest();
    }

    [Fact]
    public void ReturnRequest_GivesItBack()
    {
        var tenant = new Tenant("t", new TenantLimits { RequestsPerMinute = 1 }, _time);
        tenant.TakeRequest();

        tenant.ReturnRequest();

        tenant.TakeRequest();
        Should.Throw<CallFailureException>(tenant.TakeRequest);
    }

    [Fact]
    public void Update_ChangesLimitsAndKeepsWhatWasSpent()
    {
        var tenant = new Tenant("t", new TenantLimits { RequestsPerMinute = 10, TokensPerMinute = 100 }, _time);
        tenant.TakeRequest();
        tenant.TokenBudget!.Charge(30);

        tenant.Update(new TenantLimits { RequestsPerMinute = 5, TokensPerMinute = 1000, MaxOutputTokens = 3 });

        tenant.RequestBudget!.Available.ShouldBe(4);
        tenant.TokenBudget!.Available.ShouldBe(970);
        tenant.OutputLimit(null).ShouldBe(3u);
    }

    [Fact]
    public void Update_LimitGoesAndComesBack_WhatWasSpentIsRemembered()
    {
        var tenant = new Tenant("t", new TenantLimits { RequestsPerMinute = 10 }, _time);
        for (var request = 0; request < 10; request++) tenant.TakeRequest();

        tenant.Update(TenantLimits.None);
        tenant.RequestBudget.ShouldBeNull();
        tenant.TakeRequest();
        tenant.Update(new TenantLimits { RequestsPerMinute = 10 });

        Should.Throw<CallFailureException>(tenant.TakeRequest);
    }

    [Fact]
    public void LimitsOf_Settings_AreThose()
    {
        var limits = TenantLimits.Of(new TenantOptions
        {
            Models = ["a", "b"], RequestsPerMinute = 1, TokensPerMinute = 2, MaxConcurrent = 3, MaxOutputTokens = 4,
        });

        limits.Models!.ShouldBe(["a", "b"], ignoreOrder: true);
        (limits.RequestsPerMinute, limits.TokensPerMinute, limits.MaxConcurrent, limits.MaxOutputTokens).ShouldBe((1, 2, 3, 4));
        TenantLimits.Of(new TenantOptions()).ShouldBe(TenantLimits.None);
    }
}
