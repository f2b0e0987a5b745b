using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Routing;

public sealed class LanePoolTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly CollectedEvents<LanePool> _log = new();

    [Fact]
    public void Pick_LeastLoaded_InTheOrderOfTheKeys()
    {
        var pool = Pool("a", "b", "c");
        var order = new List<string>();
        for (var index = 0; index < 6; index++)
        {
            var lane = pool.Pick()!;
            lane.Enter();
            order.Add(lane.KeyLabel);
        }

        order.ShouldBe(["key1", "key2", "key3", "key1", "key2", "key3"]);
        pool.Lanes[1].Leave();
        pool.Pick().ShouldBeSameAs(pool.Lanes[1]);
    }

    [Fact]
    public void Pick_WithoutKeys_IsTheOneLane()
    {
        var pool = Pool();

        var lane = pool.Pick().ShouldNotBeNull();
        lane.Key.ShouldBeNull();
        lane.KeyLabel.ShouldBeEmpty();
        pool.Pick(new HashSet<Lane> { lane }, out var obstacle).ShouldBeNull();
        obstacle.ShouldBeNull("it is free, only not to be taken");
    }

    [Fact]
    public void RateLimit_CoolsTheKeyDownForItsRetryAfter()
    {
        var pool = Pool("a", "b");
        pool.Lanes[0].Note(new BackendException(BackendFailure.RateLimited, "429") { RetryAfter = TimeSpan.FromSeconds(7) });

        pool.Pick().ShouldBeSameAs(pool.Lanes[1]);
        pool.FirstToPass().ShouldBeNull();
        pool.Lanes[0].Obstacle.ShouldBe(new Obstacle(BackendFailure.RateLimited, TimeSpan.FromSeconds(7)));

        _time.Advance(TimeSpan.FromSeconds(7));
        pool.Lanes[0].Obstacle.ShouldBeNull();
    }

    [Fact]
    public void RateLimits_ToldAtOnce_TheLongestStands()
    {
        var lane = Pool("a").Lanes[0];
        lane.Note(new BackendException(BackendFailure.RateLimited, "429") { RetryAfter = TimeSpan.FromSeconds(7) });
        lane.Note(new BackendException(BackendFailure.RateLimited, "429") { RetryAfter = TimeSpan.FromSeconds(2) });

        lane.Obstacle!.Value.Wait.ShouldBe(TimeSpan.FromSeconds(7));
    }

    [Fact]
    public void RateLimit_WithoutRetryAfter_IsOneSecond()
    {
        var lane = Pool("a").Lanes[0];
        lane.Note(new BackendException(BackendFailure.RateLimited, "429"));

        lane.Obstacle!.Value.Wait.ShouldBe(TimeSpan.FromSeconds(1));
    }

    [Fact]
    public void Unavailable_WithRetryAfter_IsGivenThatRest()
    {
        var lane = Pool("a").Lanes[0];
        lane.Note(new BackendException(BackendFailure.Unavailable, "503"));
        lane.Obstacle.ShouldBeNull();

        lane.Note(new BackendException(BackendFailure.Unavailable, "503") { RetryAfter = TimeSpan.FromSeconds(3) });
        lane.Obstacle.ShouldBe(new Obstacle(BackendFailure.Unavailable, TimeSpan.FromSeconds(3)));
    }

    [Fact]
    public void RefusedKey_IsOut_LoudlyOnce_AndComesBackLater()
    {
        var pool = Pool("a", "secret-b");
        var refusal = new BackendException(BackendFailure.Misconfigured, "401") { KeyRefused = true };
        pool.Lanes[1].Note(refusal);
        pool.Lanes[1].Note(refusal);

        pool.Lanes[1].Obstacle!.Value.KeyRefused.ShouldBeTrue();
        _log.Names.ShouldBe(["KeyTakenOut"]);
        _log.Text.ShouldContain("key2");
        _log.Text.ShouldNotContain("secret");

        // A rate limit that was under way says nothing about a refused key.
        pool.Lanes[1].Note(new BackendException(BackendFailure.RateLimited, "429"));
        pool.Lanes[1].Obstacle!.Value.KeyRefused.ShouldBeTrue();

        _time.Advance(Lane.KeyRest);
        pool.Lanes[1].Obstacle.ShouldBeNull();
    }

    [Fact]
    public void RefusedKey_WhoseFileChanged_IsBackAtOnce()
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "old");
            var lane = Pool("file:" + path).Lanes[0];
            lane.Note(new BackendException(BackendFailure.Misconfigured, "401") { KeyRefused = true });
            lane.Obstacle.ShouldNotBeNull();

            File.WriteAllText(path, "another");
            lane.Obstacle.ShouldBeNull();
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void FirstToPass_AllRest_IsTheShortestWait()
    {
        var pool = Pool("a", "b");
        pool.Lanes[0].Note(new BackendException(BackendFailure.Misconfigured, "401") { KeyRefused = true });
        pool.Lanes[1].Note(new BackendException(BackendFailure.RateLimited, "429") { RetryAfter = TimeSpan.FromSeconds(9) });

        pool.Pick().ShouldBeNull();
        pool.IsUsable.ShouldBeFalse();
        var first = pool.FirstToPass().ShouldNotBeNull();
        first.ShouldBe(new Obstacle(BackendFailure.RateLimited, TimeSpan.FromSeconds(9)));
        first.ToException().RetryAfter.ShouldBe(TimeSpan.FromSeconds(9));
    }

    [Fact]
    public void Pick_RestThatPassesMeanwhile_IsALaneOrAnObstacleNeverNeither()
    {
        // A clock that goes on with every look, so that the rest ends between two of them.
        var time = new RestlessTimeProvider();
        var pool = Lanes.To(new FakeBackend("b"), new ResilienceOptions(), time);
        for (var steps = 1; steps < 20; steps++)
        {
            pool.Lanes[0].Note(new BackendException(BackendFailure.RateLimited, "429") { RetryAfter = TimeSpan.FromTicks(steps) });

            var lane = pool.Pick(except: null, out var obstacle);

            (lane is null).ShouldBe(obstacle is not null);
            while (pool.Pick() is null)
            {
                // Until it may be tried again.
            }
        }
    }

    private sealed class RestlessTimeProvider : TimeProvider
    {
        private DateTimeOffset _now = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => _now += TimeSpan.FromTicks(1);
    }

    [Fact]
    public async Task Learn_BackendThatRests_IsNotAsked()
    {
        var asked = 0;
        var pool = Lanes.To(new FakeBackend("b") { Learn = () => asked++ }, new ResilienceOptions(), _time, _log);
        await pool.LearnAsync("m", CancellationToken.None);
        pool.Lanes[0].Note(new BackendException(BackendFailure.RateLimited, "429"));

        await pool.LearnAsync("m", CancellationToken.None);

        asked.ShouldBe(1);
    }

    [Fact]
    public async Task CountInputTokens_TakesAKeyAndNotesItsRefusal()
    {
        var pool = Pool("a");
        (await pool.CountInputTokensAsync(new BackendCall(new GenerateRequest(), "m"), CancellationToken.None)).Tokens.ShouldBe(1u);
        pool.Lanes[0].Note(new BackendException(BackendFailure.RateLimited, "429"));

        var failure = await Should.ThrowAsync<BackendException>(
            async () => await pool.CountInputTokensAsync(new BackendCall(new GenerateRequest(), "m"), CancellationToken.None));

        failure.Failure.ShouldBe(BackendFailure.RateLimited);
    }

    private LanePool Pool(params string[] keys) => Lanes.To(
        new FakeBackend("b") { Keys = [.. keys.Select(static (source, index) => new ApiKey(source, index))] },
        new ResilienceOptions(), _time, _log);
}
