using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Admission;

public sealed class TokenMeterTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Reserve_TokensNotLimited_CountsNothing() =>
        TokenMeter.Reserve(new Tenant("t"), uint.MaxValue, uint.MaxValue).ShouldBeNull();

    [Theory]
    [InlineData(30u, 50u, 20)]
    [InlineData(30u, null, 69)]
    [InlineData(30u, 500u, 0)]
    [InlineData(uint.MaxValue, uint.MaxValue, 0)]
    public void Reserve_TakesInputAndMostOutput(uint input, uint? output, int left)
    {
        var tenant = Limited(100);

        TokenMeter.Reserve(tenant, input, output).ShouldNotBeNull();

        Left(tenant).ShouldBe(left);
    }

    [Fact]
    public void Reserve_MoreThanIsLeft_IsQuotaExceededAndSucceedsAfterTheWait()
    {
        var tenant = Limited(60);
        TokenMeter.Reserve(tenant, 10, 30);

        var failure = Should.Throw<CallFailureException>(() => TokenMeter.Reserve(tenant, 10, 20));

        failure.Reason.ShouldBe(ErrorReason.QuotaExceeded);
        failure.QuotaLimit.ShouldBe("tokens per minute");
        failure.QuotaTenant.ShouldBe("t");
        failure.RetryAfter.ShouldBe(TimeSpan.FromSeconds(10));
        _time.Advance(failure.RetryAfter!.Value);
        TokenMeter.Reserve(tenant, 10, 20).ShouldNotBeNull();
    }

    [Fact]
    public void Take_WithinTheReservation_IsNeverCutWhateverOthersUse()
    {
        var tenant = Limited(100);
        var meter = TokenMeter.Reserve(tenant, 10, 90)!;
        tenant.TokenBudget!.Charge(1000);

        for (var token = 0; token < 90; token++)
        {
            meter.Take(1).ShouldBeTrue();
            meter.IsSpent.ShouldBeFalse();
        }

        meter.Taken.ShouldBe(90);
        meter.Take(1).ShouldBeFalse();
        meter.Taken.ShouldBe(90);
    }

    [Fact]
    public void Take_OpenOutput_UsesTheTenantsBudgetToItsLastToken()
    {
        var tenant = Limited(100);
        var meter = TokenMeter.Reserve(tenant, 10, null)!;

        for (var token = 0; token < 89; token++)
        {
            meter.Take(1).ShouldBeTrue();
            meter.IsSpent.ShouldBeFalse();
        }

        meter.Take(1).ShouldBeTrue();
        meter.IsSpent.ShouldBeTrue();
        meter.Take(1).ShouldBeFalse();
        meter.Taken.ShouldBe(90);
    }

    [Fact]
    public void Take_DeltaLargerThanWhatIsLeft_IsTheLastOne()
    {
        var tenant = Limited(100);
        var meter = TokenMeter.Reserve(tenant, 10, null)!;
        meter.Take(88).ShouldBeTrue();

        meter.Take(40).ShouldBeTrue();

        meter.IsSpent.ShouldBeTrue();
        Left(tenant).ShouldBe(-38);
        meter.Take(1).ShouldBeFalse();
    }

    [Fact]
    public void Take_NoTokens_IsAllowedEvenWhenSpent()
    {
        var meter = TokenMeter.Reserve(Limited(10), 10, null)!;

        meter.Take(0).ShouldBeTrue();
        meter.Taken.ShouldBe(0);
    }

    [Fact]
    public void Take_EveryToken_AllocatesNothing()
    {
        var meter = TokenMeter.Reserve(new Tenant("t", new TenantLimits { TokensPerMinute = 1_000_000 }, TimeProvider.System), 10, null)!;
        meter.Take(2);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var token = 0; token < 5_000; token++) meter.Take(1);

        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);
        meter.Taken.ShouldBe(5_002);
    }

    [Fact]
    public void Take_LimitTakenAwayMeanwhile_GoesOn()
    {
        var tenant = Limited(10);
        var meter = TokenMeter.Reserve(tenant, 9, null)!;
        tenant.Update(TenantLimits.None);

        meter.Take(1000).ShouldBeTrue();
        meter.IsSpent.ShouldBeFalse();
        meter.Settle(1009);
        tenant.TokenBudget.ShouldBeNull();
    }

    [Theory]
    [InlineData(0, 100)]
    [InlineData(25, 75)]
    [InlineData(60, 40)]
    [InlineData(80, 20)]
    [InlineData(130, -30)]
    public void Settle_LeavesWhatWasTrulyUsed(int actual, int left)
    {
        var tenant = Limited(100);
        var meter = TokenMeter.Reserve(tenant, 10, 50)!;
        meter.Take(50);
        meter.Take(5);

        meter.Settle(actual);

        Left(tenant).ShouldBe(left);
    }

    [Fact]
    public void Settle_ReservationCutToTheBudget_ReturnsNoMoreThanItTook()
    {
        var tenant = Limited(100);
        var meter = TokenMeter.Reserve(tenant, 10, 5000)!;

        meter.Settle(40);

        Left(tenant).ShouldBe(60);
    }

    [Fact]
    public void ManyStreams_TogetherDeliverTheBudgetToOneChunk() => Properties.HoldsForSeeds(
        random =>
        {
            var tenant = Limited(random.Next(100, 3000));
            var most = random.Next(1, 9);
            var meters = Enumerable.Range(0, 8).Select(_ => TokenMeter.Reserve(tenant, 5, null)!).ToList();

            Parallel.ForEach(meters, meter =>
            {
                var sizes = new Random((int)meter.Taken);
                while (!meter.IsSpent && meter.Take((uint)sizes.Next(1, most + 1)))
                {
                }
            });

            var used = meters.Sum(static meter => meter.Taken) + (8 * 5);
            var budget = tenant.Limits.TokensPerMinute!.Value;

            // A stream whose first chunk comes too late leaves its reserved token.
            used.ShouldBeInRange(budget - meters.Count, budget + most - 1);
            meters.ForEach(static meter => meter.Settle(meter.Taken + 5));
            Left(tenant).ShouldBe(budget - used);
        },
        count: 100);

    private Tenant Limited(int tokensPerMinute) => new("t", new TenantLimits { TokensPerMinute = tokensPerMinute }, _time);

    private static long Left(Tenant tenant) => tenant.TokenBudget!.Available;
}
