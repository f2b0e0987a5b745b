using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Admission;

public sealed class MinuteBudgetTests
{
    private static readonly TimeSpan OneTick = TimeSpan.FromTicks(1);

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void New_AllIsThereAtOnceAndNotOneMore()
    {
        var budget = new MinuteBudget(60, _time);
        budget.Available.ShouldBe(60);

        budget.TryReserve(60, out var reserved, out _).ShouldBeTrue();
        reserved.ShouldBe(60);
        budget.Available.ShouldBe(0);
        budget.TryReserve(1, out reserved, out var retryAfter).ShouldBeFalse();
        reserved.ShouldBe(0);
        retryAfter.ShouldBe(TimeSpan.FromSeconds(1));
    }

    [Fact]
    public void TryReserve_MoreThanIsLeft_TakesNothing()
    {
        var budget = new MinuteBudget(60, _time);
        budget.TryReserve(50, out _, out _);

        budget.TryReserve(11, out _, out var retryAfter).ShouldBeFalse();

        budget.Available.ShouldBe(10);
        retryAfter.ShouldBe(TimeSpan.FromSeconds(1));
        budget.TryReserve(10, out _, out _).ShouldBeTrue();
    }

    [Fact]
    public void TryReserve_MoreThanThereEverIs_NeedsAFullBudgetAndTakesAllOfIt()
    {
        var budget = new MinuteBudget(60, _time);
        budget.TryReserve(1, out _, out _);

        budget.TryReserve(1000, out _, out var retryAfter).ShouldBeFalse();
        retryAfter.ShouldBe(TimeSpan.FromSeconds(1));
        _time.Advance(retryAfter);

        budget.TryReserve(1000, out var reserved, out _).ShouldBeTrue();
        reserved.ShouldBe(60);
        budget.Available.ShouldBe(0);
    }

    [Fact]
    public void Time_EarnsContinuouslyUpToAMinutesWorth()
    {
        var budget = new MinuteBudget(120, _time);
        budget.TryReserve(120, out _, out _);

        _time.Advance(TimeSpan.FromSeconds(0.5) - OneTick);
        budget.Available.ShouldBe(0);
        _time.Advance(OneTick);
        budget.Available.ShouldBe(1);
        _time.Advance(TimeSpan.FromSeconds(30));
        budget.Available.ShouldBe(61);
        _time.Advance(TimeSpan.FromDays(3650));
        budget.Available.ShouldBe(120);
    }

    [Fact]
    public void TryReserve_AfterTheWaitItTold_SucceedsAndNotATickEarlier() => Properties.HoldsForSeeds(random =>
    {
        var budget = new MinuteBudget(random.Next(1, (int)Math.Pow(10, random.Next(1, 10))), _time);
        for (var step = 0; step < 20; step++)
        {
            _time.Advance(TimeSpan.FromTicks(random.NextInt64(TimeSpan.TicksPerMinute / 4)));
            var amount = random.Next(1, budget.PerMinute);
            if (random.Next(4) == 0) budget.Charge(random.Next(budget.PerMinute));
            if (budget.TryReserve(amount, out _, out var retryAfter)) continue;

            _time.Advance(retryAfter - OneTick);
            budget.TryReserve(amount, out _, out var rest).ShouldBeFalse();
            rest.ShouldBe(OneTick);
            _time.Advance(rest);
            budget.TryReserve(amount, out _, out _).ShouldBeTrue();
        }
    });

    [Fact]
    public void TryReserve_AsSoonAsThereIsOne_GetsExactlyWhatWasEarned() => Properties.HoldsForSeeds(random =>
    {
        var budget = new MinuteBudget(random.Next(1, 500), _time);
        var start = _time.GetTimestamp();
        long taken = 0;
        for (var step = 0; step < 600; step++)
        {
            if (budget.TryReserve(1, out _, out var retryAfter)) taken++;
            else _time.Advance(retryAfter);
        }

        var earned = budget.PerMinute * (1 + ((_time.GetTimestamp() - start) / (double)TimeSpan.TicksPerMinute));
        taken.ShouldBeInRange((long)earned - 1, (long)Math.Ceiling(earned));
    });

    [Fact]
    public void Draw_AnythingIsLeft_TakesAllAndOwesTheRest()
    {
        var budget = new MinuteBudget(60, _time);
        budget.Draw(59, out var isSpent).ShouldBeTrue();
        isSpent.ShouldBeFalse();

        budget.Draw(10, out isSpent).ShouldBeTrue();

        isSpent.ShouldBeTrue();
        budget.Available.ShouldBe(-9);
        budget.Draw(1, out isSpent).ShouldBeFalse();
        isSpent.ShouldBeTrue();
        budget.Available.ShouldBe(-9);
        _time.Advance(TimeSpan.FromSeconds(10) - OneTick);
        budget.Draw(1, out _).ShouldBeFalse();
        _time.Advance(OneTick);
        budget.Draw(1, out _).ShouldBeTrue();
    }

    [Fact]
    public void Draw_TheLastOne_IsSpent()
    {
        var budget = new MinuteBudget(2, _time);

        budget.Draw(1, out var isSpent).ShouldBeTrue();
        isSpent.ShouldBeFalse();
        budget.Draw(1, out isSpent).ShouldBeTrue();
        isSpent.ShouldBeTrue();
    }

    [Fact]
    public void Draw_FromManyThreads_GoesBeyondTheBudgetByOneDrawAtMost() => Properties.HoldsForSeeds(
        random =>
        {
            var budget = new MinuteBudget(random.Next(1, 2000), _time);
            var most = random.Next(1, 20);
            long drawn = 0;

            Parallel.For(0, 8, thread =>
            {
                var amounts = new Random(thread);
                while (true)
                {
                    var amount = amounts.Next(1, most + 1);
                    if (!budget.Draw(amount, out _)) return;
                    Interlocked.Add(ref drawn, amount);
                }
            });

            drawn.ShouldBeInRange(budget.PerMinute, budget.PerMinute + most - 1);
            budget.Available.ShouldBe(budget.PerMinute - drawn);
        },
        count: 100);

    [Fact]
    public void TryReserve_FromManyThreads_GivesEachUnitOnce()
    {
        var budget = new MinuteBudget(10_000, _time);
        long reserved = 0;

        Parallel.For(0, 8, _ =>
        {
            while (budget.TryReserve(3, out var taken, out TimeSpan _)) Interlocked.Add(ref reserved, taken);
        });

        reserved.ShouldBe(9_999);
        budget.Available.ShouldBe(1);
    }

    [Fact]
    public void Charge_BeyondWhatIsLeft_IsADebtThatIsEarnedBackFirst()
    {
        var budget = new MinuteBudget(60, _time);

        budget.Charge(180);

        budget.Available.ShouldBe(-120);
        budget.TryReserve(1, out _, out var retryAfter).ShouldBeFalse();
        retryAfter.ShouldBe(TimeSpan.FromSeconds(121));
    }

    [Fact]
    public void Return_GivesBackWhatWasTaken()
    {
        var budget = new MinuteBudget(60, _time);
        budget.TryReserve(50, out _, out _);

        budget.Return(20);

        budget.Available.ShouldBe(30);
    }

    [Fact]
    public void Return_WhatWasEarnedBackMeanwhile_DoesNotCountTwice()
    {
        var budget = new MinuteBudget(60, _time);
        budget.TryReserve(50, out _, out _);
        _time.Advance(TimeSpan.FromSeconds(40));

        budget.Return(50);

        budget.Available.ShouldBe(60);
        budget.TryReserve(60, out _, out _).ShouldBeTrue();
        budget.TryReserve(1, out _, out _).ShouldBeFalse();
    }

    [Theory]
    [InlineData(600, 570)]
    [InlineData(60, 30)]
    [InlineData(40, 10)]
    [InlineData(30, 0)]
    [InlineData(10, -20)]
    public void Resize_WhatIsUsedStaysUsed(int perMinute, int left)
    {
        var budget = new MinuteBudget(60, _time);
        _time.Advance(TimeSpan.FromSeconds(17));
        budget.TryReserve(30, out _, out _);

        budget.Resize(perMinute);

        budget.Available.ShouldBe(left);
        budget.PerMinute.ShouldBe(perMinute);
        _time.Advance(TimeSpan.FromMinutes(1) / perMinute);
        budget.Available.ShouldBe(left + 1);
    }

    [Theory]
    [InlineData(1_000_000_000)]
    [InlineData(10_000_000)]
    [InlineData(3_579_545)]
    [InlineData(1000)]
    public void AnyClock_TheWaitItTold_IsEnough(long frequency)
    {
        var clock = new Clock(frequency);
        var budget = new MinuteBudget(7, clock);
        budget.TryReserve(7, out _, out _);
        for (var step = 0; step < 50; step++)
        {
            budget.TryReserve(1, out _, out var retryAfter).ShouldBeFalse();
            clock.Now += (long)Math.Ceiling(retryAfter.TotalSeconds * frequency);
            budget.TryReserve(1, out _, out _).ShouldBeTrue();
        }

        (clock.Now / (double)frequency).ShouldBe(50 * 60 / 7d, tolerance: 0.1);
    }

    [Fact]
    public void LargestBudgetAfterYears_IsStillExact()
    {
        var budget = new MinuteBudget(1_000_000_000, _time);
        _time.Advance(TimeSpan.FromDays(365 * 10));

        budget.TryReserve(1_000_000_000, out _, out _).ShouldBeTrue();

        budget.TryReserve(1_000_000_000, out _, out var retryAfter).ShouldBeFalse();
        retryAfter.ShouldBe(TimeSpan.FromMinutes(1));
    }

    private sealed class Clock(long frequency) : TimeProvider
    {
        public long Now { get; set; }

        public override long TimestampFrequency => frequency;

        public override long GetTimestamp() => Now;
    }
}
