using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;
using Microsoft.Extensions.DependencyInjection;

namespace GrpcLlm.FunctionalTests.Admission;

/// <summary>One place, taken by a call that runs until released; what happens to those that wait.</summary>
public sealed class QueueTests
{
    private readonly TaskCompletionSource _release = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentQueue<string> _served = new();
    private readonly ScriptedBackend _backend;

    public QueueTests() => _backend = new ScriptedBackend(Play);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Queued_NothingIsSentUntilItsToken()
    {
        await using var server = await StartAsync();
        using var holder = await HoldAsync(server);
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        var stream = await connection.CallAsync(Paths.Generate, new GenerateRequest { Prompt = "next" }.ToByteArray());
        await QueuedAsync(server, 1);
        await Eventually.IsAsync(() => server.Metrics.ActiveIn("queued") == 1);

        stream.Headers.IsCompleted.ShouldBeFalse();
        _release.SetResult();

        var first = TokenChunk.Parser.ParseFrom(await stream.NextAsync());
        first.Text.ShouldBe("next");
        first.Started.ShouldNotBeNull();
        (await stream.Trailers).ShouldContain(("grpc-status", "0"));
    }

    [Fact]
    public async Task Queued_TheClientCancels_LeavesAtOnce()
    {
        await using var server = await StartAsync();
        using var holder = await HoldAsync(server);
        var call = server.Client.Generate(new GenerateRequest { Prompt = "next" }, cancellationToken: Cancelled);
        await QueuedAsync(server, 1);

        call.Dispose();

        await QueuedAsync(server, 0);
        (await server.Logs.NextUsageAsync()).GetProperty("error_reason").GetString().ShouldBe("CLIENT_CANCELLED");
        await Eventually.IsAsync(() => server.Metrics.ActiveIn("queued") == 0);
        _served.ShouldBe(["hold"]);
    }

    [Fact]
    public async Task Queued_CancelGeneration_FinishesWithoutAToken()
    {
        await using var server = await StartAsync();
        using var holder = await HoldAsync(server);
        using var call = server.Client.Generate(new GenerateRequest { Prompt = "next", RequestId = "r" }, cancellationToken: Cancelled);
        await QueuedAsync(server, 1);

        await server.Client.CancelGenerationAsync(new CancelGenerationRequest { RequestId = "r" }, cancellationToken: Cancelled);

        var answer = await Answer.OfAsync(call);
        answer.Finish.Reason.ShouldBe(FinishReason.Cancelled);
        answer.Chunks.ShouldHaveSingleItem().TokenCount.ShouldBe(0u);
        _served.ShouldBe(["hold"]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Queued_TimeRunsOut_IsDeadlineWithDetails(bool byDeadline)
    {
        // A margin that a busy machine does not use up: a tenth of the three seconds.
        await using var server = await StartAsync("GrpcLlm:Streaming:DeadlineMargin=00:00:01");
        using var holder = await HoldAsync(server);
        var request = new GenerateRequest { Prompt = "next" };
        if (!byDeadline) request.Limits = new GenerationLimits { TimeBudget = Duration.FromTimeSpan(TimeSpan.FromMilliseconds(50)) };

        var answer = await Answer.OfAsync(
            server, request, byDeadline ? TimeProvider.System.GetUtcNow().UtcDateTime.AddSeconds(3) : null);

        answer.Status.StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
        answer.Reason.ShouldBe("DEADLINE");
        answer.Summary.AttemptLog.ShouldBeEmpty();
        await QueuedAsync(server, 0);
        (await server.Logs.NextUsageAsync()).GetProperty("error_reason").GetString().ShouldBe("DEADLINE");
    }

    [Fact]
    public async Task Queued_WithProgress_HearsItsPosition()
    {
        await using var server = await StartAsync();
        using var holder = await HoldAsync(server);
        using var first = server.Client.Generate(new GenerateRequest { Prompt = "first" }, cancellationToken: Cancelled);
        await QueuedAsync(server, 1);
        using var call = server.Client.Generate(
            new GenerateRequest { Prompt = "second", Output = new OutputOptions { Progress = true } }, cancellationToken: Cancelled);

        await call.ResponseStream.MoveNext(Cancelled);
        var told = new List<TokenChunk> { call.ResponseStream.Current };
        while (told[^1].Progress is not { QueuePosition: 2 })
        {
            await call.ResponseStream.MoveNext(Cancelled);
            told.Add(call.ResponseStream.Current);
        }

        told[^1].Progress.Phase.ShouldBe(ProgressPhase.Queued);
        first.Dispose();
        while (told[^1].Progress is not { QueuePosition: 1 })
        {
            await call.ResponseStream.MoveNext(Cancelled);
            told.Add(call.ResponseStream.Current);
        }

        _release.SetResult();
        var rest = await Answer.OfAsync(call);
        rest.Text.ShouldBe("second");
        rest.Chunks.ShouldNotContain(chunk => chunk.Progress != null && chunk.Progress.Phase == ProgressPhase.Queued);
        told.Concat(rest.Chunks).Select(static chunk => chunk.Sequence)
            .ShouldBe(Enumerable.Range(1, told.Count + rest.Chunks.Count).Select(static n => (ulong)n));
    }

    [Fact]
    public async Task QueueFull_IsOverloadedWithPushback()
    {
        await using var server = await StartAsync("GrpcLlm:Admission:MaxQueue=1");
        using var holder = await HoldAsync(server);
        using var waiting = server.Client.Generate(new GenerateRequest { Prompt = "next" }, cancellationToken: Cancelled);
        await QueuedAsync(server, 1);

        ShouldBeOverloaded(await Answer.OfAsync(server, new GenerateRequest { Prompt = "one too many" }));

        _release.SetResult();
        (await Answer.OfAsync(waiting)).Text.ShouldBe("next");
    }

    [Fact]
    public async Task QueueTimeout_IsOverloadedWithPushback()
    {
        await using var server = await StartAsync("GrpcLlm:Admission:QueueTimeout=00:00:00.050");
        using var holder = await HoldAsync(server);

        ShouldBeOverloaded(await Answer.OfAsync(server, new GenerateRequest { Prompt = "next" }));
        (await server.Logs.NextUsageAsync()).GetProperty("error_reason").GetString().ShouldBe("OVERLOADED");
    }

    [Fact]
    public async Task Flood_OfOneTenant_RefusesAndDelaysNobodyElse()
    {
        await using var server = await StartAsync(
            ["GrpcLlm:Admission:MaxQueue=6", .. TenantSettings.Of("a", "key-of-a"), .. TenantSettings.Of("b", "key-of-b")]);
        using var holder = await HoldAsync(server, TenantSettings.Key("key-of-a"));
        var flood = Enumerable.Range(0, 60).Select(_ => AnswerAsync(server, "key-of-a", "a")).ToList();
        await Eventually.IsAsync(() => flood.Count(static call => call.IsCompleted) == 54);

        var calm = Enumerable.Range(0, 3).Select(_ => AnswerAsync(server, "key-of-b", "b")).ToList();
        await Eventually.IsAsync(() => flood.Count(static call => call.IsCompleted) == 57);
        for (var again = 0; again < 10; again++) ShouldBeOverloaded(await AnswerAsync(server, "key-of-a", "a"));
        _release.SetResult();

        (await Task.WhenAll(calm)).ShouldAllBe(static answer => answer.Status.StatusCode == StatusCode.OK);
        var answers = await Task.WhenAll(flood);
        answers.Count(static answer => answer.Status.StatusCode == StatusCode.OK).ShouldBe(3);
        foreach (var refused in answers.Where(static answer => answer.Status.StatusCode != StatusCode.OK)) ShouldBeOverloaded(refused);
        _served.ShouldBe(["hold", "a", "b", "a", "b", "a", "b"]);
    }

    [Fact]
    public async Task TenantAtItsOwnLimit_WaitsWhileOthersRun()
    {
        await using var server = await LlmServer.StartAsync(
            _backend,
            [
                "GrpcLlm:Admission:MaxQueue=1", .. TenantSettings.Of("a", "key-of-a", "MaxConcurrent=1"),
                .. TenantSettings.Of("b", "key-of-b"),
            ]);
        using var holder = await HoldAsync(server, TenantSettings.Key("key-of-a"));
        var waiting = AnswerAsync(server, "key-of-a", "next");
        await QueuedAsync(server, 1);

        (await AnswerAsync(server, "key-of-b", "b")).Text.ShouldBe("b");
        var refused = await AnswerAsync(server, "key-of-a", "one too many");
        refused.Status.StatusCode.ShouldBe(StatusCode.ResourceExhausted);
        refused.Detail<QuotaFailure>().Violations.ShouldHaveSingleItem().Description.ShouldBe("concurrent generations");
        _release.SetResult();

        (await waiting).Text.ShouldBe("next");
    }

    private Task<LlmServer> StartAsync(params string[] settings) =>
        LlmServer.StartAsync(_backend, ["GrpcLlm:Admission:MaxConcurrent=1", .. settings]);

    private async Task<IDisposable> HoldAsync(LlmServer server, Metadata? headers = null)
    {
        var call = server.Client.Generate(new GenerateRequest { Prompt = "hold" }, headers, cancellationToken: Cancelled);
        await _backend.NextRunAsync();
        return call;
    }

    private static Task QueuedAsync(LlmServer server, int calls)
    {
        var queue = server.Services.GetRequiredService<AdmissionQueue>();
        return Eventually.IsAsync(() => queue.Waiting == calls);
    }

    private static async Task<Answer> AnswerAsync(LlmServer server, string key, string prompt)
    {
        using var call = server.Client.Generate(new GenerateRequest { Prompt = prompt }, TenantSettings.Key(key), cancellationToken: Cancelled);
        return await Answer.OfAsync(call);
    }

    private static void ShouldBeOverloaded(Answer answer)
    {
        answer.Chunks.ShouldBeEmpty();
        answer.Status.StatusCode.ShouldBe(StatusCode.Unavailable);
        answer.Reason.ShouldBe("OVERLOADED");
        answer.ErrorMetadata["retry_safe"].ShouldBe("true");
        var wait = answer.Detail<RetryInfo>().RetryDelay.ToTimeSpan();
        wait.ShouldBeInRange(AdmissionQueue.MinRetryAfter, AdmissionQueue.MaxRetryAfter);
        answer.Trailer("grpc-retry-pushback-ms").ShouldBe($"{wait.TotalMilliseconds}");
    }

    private async IAsyncEnumerable<BackendEvent> Play(BackendCall call, [EnumeratorCancellation] CancellationToken token)
    {
        var prompt = call.Request.Prompt;
        _served.Enqueue(prompt);
        if (prompt == "hold") await _release.Task.WaitAsync(token);
        yield return BackendEvent.TextDelta(prompt);
        yield return BackendEvent.Finished(new BackendEnding(FinishReason.Stop));
    }
}
