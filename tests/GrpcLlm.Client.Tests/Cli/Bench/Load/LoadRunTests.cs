using System.Collections.Concurrent;
using Grpc.Core;
using GrpcLlm.Cli.Bench.Load;
using GrpcLlm.Cli.Bench.Profiles;
using GrpcLlm.Cli.Bench.Results;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Client.Tests.Cli.Bench.Load;

public sealed class LoadRunTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task ClosedLoop_OfATotal_MakesEachCallOnce()
    {
        await using var server = await TestServer.StartAsync();
        var prompts = new ConcurrentBag<string>();
        server.Service.OnGenerate = async (request, stream, _) =>
        {
            prompts.Add(request.Prompt);
            foreach (var chunk in Chunks.Answer()) await stream.WriteAsync(chunk);
        };

        var run = await LoadRig.RunToEndAsync(server, LoadRig.Closed(callers: 4, total: 50));

        run.End.ShouldBe(RunEnd.Total);
        run.Streams.ShouldBe(new StreamCounts { Started = 50, Succeeded = 50 });
        prompts.Select(int.Parse).Order().ShouldBe(Enumerable.Range(0, 50));
        run.StreamSamples.Select(sample => sample.Number).Order().ShouldBe(Enumerable.Range(0, 50).Select(number => (long)number));
        run.Timeline.Max(point => point.Open).ShouldBeInRange(1, 4);
        run.Metrics[MetricNames.Itl].Count.ShouldBe(50);
        run.Metrics[MetricNames.ServerTtft].Max.ShouldBe(203);
        run.Throughput.ShouldSatisfyAllConditions(
            rates => rates.OutputTokens.ShouldBe(100), rates => rates.Chunks.ShouldBe(150), rates => rates.InputTokens.ShouldBe(150));
        run.FinishReasons.ShouldHaveSingleItem().Key.ShouldBe("stop");
    }

    [Fact]
    public async Task ClosedLoop_HasAsManyCallersAsAskedFor()
    {
        await using var server = await TestServer.StartAsync();
        var here = 0;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Service.OnGenerate = async (_, stream, _) =>
        {
            // Nobody is answered before all are there.
            if (Interlocked.Increment(ref here) == 20) all.SetResult();
            await all.Task;
            foreach (var chunk in Chunks.Answer()) await stream.WriteAsync(chunk);
        };

        var run = await LoadRig.RunToEndAsync(server, LoadRig.Closed(callers: 20, total: 20) with { Connections = 3 });

        run.Timeline.Max(point => point.Open).ShouldBe(20);
        run.Streams.Succeeded.ShouldBe(20);
    }

    /// <summary>
    /// A target that stands still for two seconds of ten. The clock stands while anything is answered, so that every time is
    /// exact: a call planned into the stall waits for its end, all others for nothing.
    /// </summary>
    [Fact]
    public async Task OpenLoop_TargetStalls_ShowsInTheTailOfWhatWasPlanned()
    {
        var stallBegins = TimeSpan.FromSeconds(2);
        var stallEnds = TimeSpan.FromSeconds(4);
        var time = new FakeTimeProvider();
        var released = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await TestServer.StartAsync();
        server.Service.OnGenerate = async (_, stream, _) =>
        {
            if (Elapsed() >= stallBegins) await released.Task;
            foreach (var chunk in Chunks.Answer()) await stream.WriteAsync(chunk);
        };
        using var target = await LoadRig.ConnectAsync(server);
        LoadRun run = null!;
        using var created = run = new LoadRun(LoadRig.Open(rate: 100) with { Duration = TimeSpan.FromSeconds(10) }, target, LoadRig.Calls, time)
        {
            Sleep = span =>
            {
                // All is answered before time goes on, except while the target stands still.
                var stalled = Elapsed() >= stallBegins && Elapsed() < stallEnds;
                if (!stalled) SpinWait.SpinUntil(() => run.Live.Open == 0, Patience).ShouldBeTrue();
                time.Advance(span);
                if (Elapsed() >= stallEnds) released.TrySetResult();
            },
        };

        var results = await run.RunAsync(TestContext.Current.CancellationToken);

        // 1,000 calls; the 200 of the stall waited 2 s, 1.99 s … 10 ms. The slowest ten are those of its first 0.1 s.
        results.End.ShouldBe(RunEnd.Duration);
        results.Streams.Succeeded.ShouldBe(1000);
        var ttft = results.Metrics[MetricNames.Ttft];
        ttft.Max.ShouldBe(2000);
        ttft.P99.ShouldBe(1900, 1900 * 0.001);
        ttft.P90.ShouldBe(1000, 1000 * 0.001);
        ttft.P50.ShouldBe(0);
        results.Metrics[MetricNames.E2e].P99.ShouldBe(1900, 1900 * 0.001);
        results.Metrics[MetricNames.ScheduleDelay].Max.ShouldBe(0);

        // And it is seen where it happened; the next call starts while the last of them end.
        results.Timeline.Max(point => point.Open).ShouldBeInRange(200, 201);

        TimeSpan Elapsed() => TimeSpan.FromTicks(time.GetTimestamp());
    }

    [Fact]
    public async Task OpenLoop_GeneratorIsLate_KeepsThePlanAndTellsTheDelay()
    {
        var time = new FakeTimeProvider();
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.Answer());
        using var target = await LoadRig.ConnectAsync(server);
        var sleeps = 0;
        LoadRun run = null!;
        using var created = run = new LoadRun(LoadRig.Open(rate: 100, total: 100), target, LoadRig.Calls, time)
        {
            Sleep = span =>
            {
                SpinWait.SpinUntil(() => run.Live.Open == 0, Patience).ShouldBeTrue();

                // Once, the machine stands still for 300 ms.
                time.Advance(++sleeps == 50 ? span + TimeSpan.FromMilliseconds(300) : span);
            },
        };

        var results = await run.RunAsync(TestContext.Current.CancellationToken);

        results.Streams.Succeeded.ShouldBe(100);
        results.StreamSamples.Select(sample => sample.Planned).ShouldBe(Enumerable.Range(0, 100).Select(number => number * 10.0));
        results.Metrics[MetricNames.ScheduleDelay].Max.ShouldBe(300);

        // The late one, and those that were due meanwhile: 300, 290 … 10 ms.
        results.StreamSamples.Count(sample => sample.Sent > sample.Planned).ShouldBe(30);
        results.Metrics[MetricNames.Ttft].Max.ShouldBe(300);
    }

    [Fact]
    public async Task OpenLoop_TooManyOpen_GivesUpAndSaysWhy()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.StreamsThenHangs();

        var run = await LoadRig.RunToEndAsync(server, LoadRig.Open(rate: 1000) with { MaxOpen = 25 });

        run.End.ShouldBe(RunEnd.OpenLimit);
        run.EndDetail.ShouldContain("--max-open");
        run.Streams.ShouldBe(new StreamCounts { Started = 25, Unfinished = 25 });
    }

    [Fact]
    public async Task Interrupted_GivesWhatThereIs()
    {
        await using var server = await TestServer.StartAsync();
        using var interrupted = new CancellationTokenSource();
        var calls = 0;
        server.Service.OnGenerate = async (_, stream, context) =>
        {
            var call = Interlocked.Increment(ref calls);
            await stream.WriteAsync(Chunks.First("Hello"));
            if (call > 30)
            {
                await interrupted.CancelAsync();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.CancellationToken);
            }

            await stream.WriteAsync(Chunks.End(2));
        };

        var run = await LoadRig.RunAsync(server, LoadRig.Closed(callers: 3), interrupted.Token);

        run.End.ShouldBe(RunEnd.Interrupted);
        run.Streams.Succeeded.ShouldBeInRange(28, 30);
        run.Streams.Unfinished.ShouldBeInRange(1, 3);
        run.Streams.Failed.ShouldBe(0);
        run.Errors.ShouldBeEmpty();
    }

    [Fact]
    public async Task TargetLost_EndsTheRunAndKeepsWhatThereIs()
    {
        var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.Answer());
        var plan = LoadRig.Closed(callers: 2) with { TargetLostAfter = TimeSpan.FromMilliseconds(100), ReconnectPause = TimeSpan.FromMilliseconds(5) };
        using var target = await LoadRig.ConnectAsync(server);
        var ended = 0;
        var enough = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var load = new LoadRun(plan, target, LoadRig.Calls, TimeProvider.System)
        {
            OnEnded = _ =>
            {
                if (++ended == 20) enough.SetResult();
            },
        };

        var running = load.RunAsync(TestContext.Current.CancellationToken);
        await enough.Task;
        await server.DisposeAsync();
        var run = await running;

        run.End.ShouldBe(RunEnd.TargetLost);
        run.EndDetail.ShouldContain("stopped answering");
        run.Streams.Succeeded.ShouldBeGreaterThanOrEqualTo(20);
        run.Errors.Sum(error => error.Count).ShouldBe(run.Streams.Failed);
        run.Streams.Failed.ShouldBeGreaterThanOrEqualTo(10);
        run.Metrics[MetricNames.E2e].Count.ShouldBe(run.Streams.Succeeded);
    }

    [Fact]
    public async Task Failures_ByReason_DoNotEndTheRun()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.OnGenerate = async (request, stream, _) =>
        {
            var number = int.Parse(request.Prompt);
            if (number % 4 == 0) throw ServerFailure.Of(StatusCode.Unavailable, "OVERLOADED", "queue is full", retrySafe: true);
            await stream.WriteAsync(Chunks.First("Hello"));
            if (number % 4 == 1) throw ServerFailure.Of(StatusCode.Aborted, "UPSTREAM_STALLED", "silence", lastSequence: 1, streamedTokens: 1);
            if (number % 4 == 2) return;
            await stream.WriteAsync(Chunks.End(2));
        };

        var run = await LoadRig.RunToEndAsync(server, LoadRig.Closed(callers: 2, total: 40));

        run.End.ShouldBe(RunEnd.Total);
        run.Streams.ShouldBe(new StreamCounts { Started = 40, Succeeded = 10, Failed = 30 });
        run.Errors.Select(error => (error.Reason, error.Status, error.Count, error.AfterFirstToken)).ShouldBe(
        [
            ("DATA_LOSS", "DATA_LOSS", 10, 10), ("OVERLOADED", "UNAVAILABLE", 10, 0), ("UPSTREAM_STALLED", "ABORTED", 10, 10),
        ]);
        run.Errors[1].Example.ShouldBe("queue is full");
        run.Metrics[MetricNames.Ttft].Count.ShouldBe(10);
    }

    [Fact]
    public async Task StreamCallCount_CutsAfterThatMessageAndCountsAsSuccess()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.StreamsThenHangs(Chunks.First("Hello"), Chunks.Text(2, " world"), Chunks.Text(3, "!"));

        var run = await LoadRig.RunToEndAsync(server, LoadRig.Closed(callers: 2, total: 10) with { StreamCallCount = 2 });

        run.Streams.Succeeded.ShouldBe(10);
        run.FinishReasons.ShouldHaveSingleItem().ShouldBe(KeyValuePair.Create("cut", 10L));
        run.StreamSamples.ShouldAllBe(sample => sample.Chunks == 2 && sample.Ended == sample.LastToken);
        run.Caveats.ShouldContain(caveat => caveat.Contains("after message 2"));
    }

    [Fact]
    public async Task SkipFirst_LeavesOutTheFirstCalls()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.Answer());

        var run = await LoadRig.RunToEndAsync(server, LoadRig.Closed(callers: 2, total: 30) with { SkipFirst = 12 });

        run.Streams.ShouldBe(new StreamCounts { Started = 30, Warmup = 12, Succeeded = 18 });
        run.StreamSamples.Min(sample => sample.Number).ShouldBe(12);
        run.Metrics[MetricNames.E2e].Count.ShouldBe(18);
        run.MeasuredSeconds.ShouldBeGreaterThan(0);
    }

    [Theory]
    [InlineData(GhzDurationStop.Wait, 3, 0, 0)]
    [InlineData(GhzDurationStop.Close, 0, 3, 0)]
    [InlineData(GhzDurationStop.Ignore, 0, 0, 3)]
    public async Task Duration_Over_TreatsCallsInFlightAsAsked(object stop, long succeeded, long failed, long unfinished)
    {
        await using var server = await TestServer.StartAsync();
        var time = new FakeTimeProvider();
        var here = 0;
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Service.OnGenerate = async (_, stream, context) =>
        {
            await stream.WriteAsync(Chunks.First("Hello"));
            if (Interlocked.Increment(ref here) == 3)
            {
                // All callers are in flight, and the time is over.
                time.Advance(TimeSpan.FromSeconds(5));
                over.SetResult();
            }

            await over.Task;
            if ((GhzDurationStop)stop != GhzDurationStop.Wait)
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.CancellationToken);
            await stream.WriteAsync(Chunks.End(2));
        };
        using var target = await LoadRig.ConnectAsync(server);
        var plan = LoadRig.Closed(callers: 3) with { Duration = TimeSpan.FromSeconds(5), DurationStop = (GhzDurationStop)stop };
        using var load = new LoadRun(plan, target, LoadRig.Calls, time);

        var run = await load.RunAsync(TestContext.Current.CancellationToken);

        run.End.ShouldBe(RunEnd.Duration);
        run.Streams.ShouldBe(new StreamCounts { Started = 3, Succeeded = succeeded, Failed = failed, Unfinished = unfinished });
        if (failed > 0) run.Errors.Single().Reason.ShouldBe("CANCELLED");
    }

    [Fact]
    public async Task ConcurrencySchedule_Steps_AddsAndTakesCallers()
    {
        await using var server = await TestServer.StartAsync();
        var time = new FakeTimeProvider();
        using var open = new SemaphoreSlim(0);
        using var answer = new SemaphoreSlim(0);
        server.Service.OnGenerate = async (_, stream, _) =>
        {
            open.Release();
            await answer.WaitAsync(TestContext.Current.CancellationToken);
            foreach (var chunk in Chunks.Answer()) await stream.WriteAsync(chunk);
        };
        using var target = await LoadRig.ConnectAsync(server);
        var schedule = new GhzSchedule(IsLine: false, 3, -1, TimeSpan.FromSeconds(1), End: null, MaxDuration: null);
        using var load = new LoadRun(new LoadPlan { Curve = LoadCurve.Of(schedule) }, target, LoadRig.Calls, time);

        var running = load.RunAsync(TestContext.Current.CancellationToken);
        for (var callers = 3; callers > 0; callers--)
        {
            // So many are there; a second later one of them is too many and leaves with its answer.
            for (var caller = 0; caller < callers; caller++) (await open.WaitAsync(Patience, TestContext.Current.CancellationToken)).ShouldBeTrue();
            time.Advance(TimeSpan.FromSeconds(1));
            answer.Release(callers);
        }

        var run = await running;
        run.End.ShouldBe(RunEnd.Schedule);
        run.Streams.Succeeded.ShouldBe(3 + 2 + 1);
    }

    [Fact]
    public async Task Fault_OfAWriter_EndsTheRunAndIsTold()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.Answer());
        using var target = await LoadRig.ConnectAsync(server);
        using var load = new LoadRun(LoadRig.Closed(callers: 2), target, LoadRig.Calls, TimeProvider.System)
        {
            OnEnded = _ => throw new IOException("No space left on device"),
        };

        var failure = await Should.ThrowAsync<IOException>(() => load.RunAsync(TestContext.Current.CancellationToken));

        failure.Message.ShouldBe("No space left on device");
    }

    [Fact]
    public async Task Deadline_Passed_IsAFailureOfItsOwn()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.OnGenerate = (_, _, context) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.CancellationToken);

        var run = await LoadRig.RunToEndAsync(server, LoadRig.Closed(callers: 1, total: 2) with { Timeout = TimeSpan.FromMilliseconds(200) });

        run.Streams.Failed.ShouldBe(2);
        run.Errors.ShouldHaveSingleItem().Reason.ShouldBe("DEADLINE_EXCEEDED");
    }
}
