using System.Collections.Concurrent;
using System.Text.Json;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace GrpcLlm.FunctionalTests.Resilience;

/// <summary>
/// Thousands of calls against upstreams that fail in every way: each ends in one finish or one typed error, no token is
/// lost, doubled or mixed, and nothing is left open.
/// </summary>
public sealed class RandomFaultsTests(ITestOutputHelper output)
{
    private const int MaxAttempts = 4;
    private const int AtOnce = 64;

    // Out of 100.
    private static readonly (Behaviour Behaviour, int Weight)[] Traffic =
    [
        (Behaviour.Patient, 70), (Behaviour.Progress, 8), (Behaviour.CancelsWhileReading, 6), (Behaviour.CancelsAtAnyTime, 5),
        (Behaviour.HasDeadline, 4), (Behaviour.HasBudget, 4), (Behaviour.IsCancelledByName, 3),
    ];

    private static readonly Dictionary<string, string> KeyLabels = new(StringComparer.Ordinal)
    {
        ["sk-a-1"] = "key1", ["sk-a-2"] = "key2", ["sk-b-1"] = "key1", ["sk-b-2"] = "key2", ["sk-c-1"] = "key1", ["sk-c-2"] = "key2",
    };

    [Fact]
    public async Task TenThousandCalls_EachEndsOnce_AndNothingStaysOpen()
    {
        var calls = await RunAsync(seed: 20_260_101, count: 10_000, "GrpcLlm:Resilience:BreakerMinimumThroughput=1000000");

        // The faults are met, and mostly overcome.
        calls.Count(static call => call.Status.StatusCode == StatusCode.OK).ShouldBeGreaterThan(calls.Count / 2);
        calls.ShouldContain(static call => call.Status.StatusCode == StatusCode.Aborted);
        calls.ShouldContain(static call => call.Status.StatusCode == StatusCode.Unavailable);
        calls.ShouldContain(static call => call.Summary != null && call.Summary.AttemptLog.Any(static attempt => attempt.Hedged));
    }

    [Fact]
    public async Task ManyCalls_WithBreakersAndAQueue_EachEndsOnce_AndNothingStaysOpen()
    {
        var calls = await RunAsync(
            seed: 4711, count: 2_000,
            "GrpcLlm:Resilience:BreakerMinimumThroughput=10", "GrpcLlm:Resilience:BreakerFailureRatio=0.4",
            "GrpcLlm:Resilience:BreakerSamplingDuration=00:00:00.5", "GrpcLlm:Resilience:BreakerBreakDuration=00:00:00.5",
            "GrpcLlm:Resilience:MaxDelay=00:00:00.6", "GrpcLlm:Admission:MaxConcurrent=40", "GrpcLlm:Admission:MaxQueue=16");

        calls.Count(static call => call.Status.StatusCode == StatusCode.OK).ShouldBeGreaterThan(0);
    }

    private async Task<List<FaultyCall>> RunAsync(int seed, int count, params string[] settings)
    {
        await using var upstream = await FaultyUpstream.StartAsync(seed, TestContext.Current.CancellationToken);
        await using var server = await LlmServer.StartAsync([.. Routes(upstream), .. settings]);
        var calls = new ConcurrentBag<FaultyCall>();

        await Parallel.ForEachAsync(
            Enumerable.Range(1, count),
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = TestContext.Current.CancellationToken },
            async (number, token) =>
            {
                var call = FaultyCall.Draw(seed, number, Traffic);
                calls.Add(call);
                await call.RunAsync(server.Client, token);
            });

        await ShouldBecomeIdleAsync(server, upstream);
        output.WriteLine(string.Join("; ", calls.CountBy(static call => $"{call.Status.StatusCode}").Select(static pair => $"{pair.Key} {pair.Value}")));
        output.WriteLine(string.Join("; ", upstream.Answers.Values.CountBy(static answer => answer.Fault).Select(static pair => $"{pair.Key} {pair.Value}")));
        await CheckAsync(calls, server, upstream, seed);
        return [.. calls];
    }

    private static async Task CheckAsync(IReadOnlyCollection<FaultyCall> calls, LlmServer server, FaultyUpstream upstream, int seed)
    {
        // The framework's own word for a client that left before its request was read.
        server.Logs.Errors.Where(static line => !line.Contains("The client reset the request stream."))
            .Take(5).ShouldBeEmpty($"seed {seed}");

        var records = new List<JsonElement>();
        while (server.Logs.UsageWaiting > 0) records.Add(await server.Logs.NextUsageAsync());
        var byName = records.ToLookup(static record => record.GetProperty("request_id").GetString());
        var rules = new FaultyCallRules(upstream, KeyLabels, MaxAttempts);
        foreach (var call in calls) rules.Check(call, [.. byName[call.RequestId]]);
        rules.Broken.Take(20).ShouldBeEmpty($"seed {seed}, {rules.Broken.Count} in all");
        server.Metrics.AllFinished.ShouldBe(records.Count);
        upstream.Answers.Count.ShouldBeLessThanOrEqualTo(records.Sum(static record => record.GetProperty("attempts").GetInt32()));
    }

    private static async Task ShouldBecomeIdleAsync(LlmServer server, FaultyUpstream upstream)
    {
        var lanes = server.Services.GetRequiredService<Deployments>().Current.Backends.Values
            .SelectMany(static backend => backend.Pool.Lanes).ToList();
        await Eventually.IsAsync(() => server.Metrics.Active == 0
            && server.Services.GetRequiredService<LiveCalls>().Count == 0
            && upstream.Open == 0 && lanes.TrueForAll(static lane => lane.Load == 0));
    }

    private static IEnumerable<string> Routes(FaultyUpstream upstream) =>
    [
        .. new[] { "a", "b", "c" }.SelectMany((name, index) => new[]
        {
            $"GrpcLlm:Backends:{name}:Kind=openai", $"GrpcLlm:Backends:{name}:BaseUrl={upstream.Address}{name}/v1",
            $"GrpcLlm:Backends:{name}:ApiKeys:0=sk-{name}-1", $"GrpcLlm:Backends:{name}:ApiKeys:1=sk-{name}-2",
            $"GrpcLlm:Backends:{name}:FirstTokenTimeout=00:00:00.15", $"GrpcLlm:Backends:{name}:IdleTimeout=00:00:00.15",
            $"GrpcLlm:Models:m:Routes:{index}:Backend={name}", $"GrpcLlm:Models:m:Routes:{index}:Weight=1",
        }),
        "GrpcLlm:DefaultModel=m", $"GrpcLlm:Resilience:MaxAttempts={MaxAttempts}",
        "GrpcLlm:Resilience:BaseDelay=00:00:00.002", "GrpcLlm:Resilience:MaxDelay=00:00:00.1",
        "GrpcLlm:Resilience:TotalTimeout=00:00:02", "GrpcLlm:Resilience:HedgeAfter=00:00:00.04",
    ];
}
