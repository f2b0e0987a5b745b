using System.Runtime.CompilerServices;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;
using Microsoft.Extensions.DependencyInjection;

namespace GrpcLlm.FunctionalTests.Admission;

/// <summary>What a tenant may use in a minute, and at most. Time stands still unless a test moves it.</summary>
public sealed class TenantLimitTests
{
    private readonly HeldTime _time = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task RequestsPerMinute_UsedUp_TellsWhenToComeBackAndComingBackThenSucceeds()
    {
        await using var server = await StartAsync(ScriptedBackend.Text("ok"), "RequestsPerMinute=2");
        (await CallAsync(server)).Text.ShouldBe("ok");
        (await CallAsync(server)).Text.ShouldBe("ok");

        var refused = await CallAsync(server);

        ShouldBeQuota(refused, "requests per minute", TimeSpan.FromSeconds(30));
        _time.Advance(TimeSpan.FromSeconds(29.9));
        ShouldBeQuota(await CallAsync(server), "requests per minute", TimeSpan.FromSeconds(0.1));
        _time.Advance(TimeSpan.FromSeconds(0.1));
        (await CallAsync(server)).Text.ShouldBe("ok");
        (await CallAsync(server)).Reason.ShouldBe("QUOTA_EXCEEDED");
    }

    [Fact]
    public async Task RequestsPerMinute_OfOneTenant_AreNotAnothers()
    {
        await using var server = await StartAsync(ScriptedBackend.Text("ok"), "RequestsPerMinute=1");
        await CallAsync(server);

        (await CallAsync(server)).Reason.ShouldBe("QUOTA_EXCEEDED");
        (await CallAsync(server, "key-of-b")).Text.ShouldBe("ok");
    }

    [Fact]
    public async Task RequestsPerMinute_MistakenRequests_CountNothing()
    {
        await using var server = await StartAsync(ScriptedBackend.Text("ok"), "RequestsPerMinute=1");

        (await CallAsync(server, request: new GenerateRequest())).Reason.ShouldBe("INVALID_REQUEST");
        (await CallAsync(server, request: new GenerateRequest { Prompt = "p", Model = "none" })).Reason.ShouldBe("MODEL_NOT_FOUND");

        (await CallAsync(server)).Text.ShouldBe("ok");
    }

    [Fact]
    public async Task RequestsPerMinute_CountTokens_IsOneToo()
    {
        await using var server = await StartAsync(ScriptedBackend.Text("ok"), "RequestsPerMinute=1");
        var request = new CountTokensRequest { Prompt = "p" };
        await server.Client.CountTokensAsync(request, TenantSettings.Key("key-of-a"), cancellationToken: Cancelled);

        var exception = await Should.ThrowAsync<RpcException>(async () => await server.Client.CountTokensAsync(
            request, TenantSettings.Key("key-of-a"), cancellationToken: Cancelled));

        exception.StatusCode.ShouldBe(StatusCode.ResourceExhausted);
        exception.Trailers.GetValue("grpc-retry-pushback-ms").ShouldBe("60000");
    }

    [Fact]
    public async Task TokensPerMinute_ManyOpenStreams_AreCutToOneChunkOfTheBudget()
    {
        const int budget = 1000;
        const int streams = 8;
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var backend = new ScriptedBackend((_, token) => Words(int.MaxValue, release.Task, token));
        await using var server = await StartAsync(backend, $"TokensPerMinute={budget}");

        // All are admitted before any of them draws: one that came later could find nothing left, and be refused.
        var calls = Enumerable.Range(0, streams).Select(_ => CallAsync(server)).ToArray();
        foreach (var _ in calls) await backend.NextRunAsync();
        release.SetResult();
        var answers = await Task.WhenAll(calls);

        // One token of input each; a stream that comes too late for its first chunk leaves the token it reserved.
        var used = answers.Sum(static answer => answer.Chunks.Sum(static chunk => chunk.TokenCount)) + streams;
        used.ShouldBeInRange(budget - streams, budget);
        foreach (var answer in answers)
        {
            answer.Status.StatusCode.ShouldBe(StatusCode.OK);
            answer.Finish.Reason.ShouldBe(FinishReason.Quota);
            answer.Trailer("finish-reason").ShouldBe("quota");
            answer.Finish.StreamedTokens.ShouldBe((uint)answer.Chunks.Sum(static chunk => chunk.TokenCount));
            answer.Finish.Usage.OutputTokens.ShouldBeGreaterThanOrEqualTo(answer.Finish.StreamedTokens);
            answer.Summary.Usage.ShouldBe(answer.Finish.Usage);
        }
    }

    [Fact]
    public async Task TokensPerMinute_UsedUp_RefusesUntilEnoughIsEarned()
    {
        await using var server = await StartAsync(ScriptedBackend.Endless(), "TokensPerMinute=60");
        (await CallAsync(server)).Finish.Reason.ShouldBe(FinishReason.Quota);

        var refused = await CallAsync(server, request: Limited(10));

        refused.Reason.ShouldBe("QUOTA_EXCEEDED");
        var wait = refused.Detail<RetryInfo>().RetryDelay.ToTimeSpan();
        ShouldBeQuota(refused, "tokens per minute", wait);
        _time.Advance(wait);
        (await CallAsync(server, request: Limited(10))).Status.StatusCode.ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task TokensPerMinute_DeclaredOutput_IsReservedAndNeverCutWhateverOthersUse()
    {
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var backend = new ScriptedBackend((call, token) => call.Request.Limits is null
            ? Words(int.MaxValue, Task.CompletedTask, token)
            : Words((int)call.Request.Limits.MaxOutputTokens, release.Task, token));
        await using var server = await StartAsync(backend, "TokensPerMinute=100");
        var declared = CallAsync(server, request: Limited(60));
        await backend.NextRunAsync();

        var open = await CallAsync(server);
        release.SetResult();

        open.Finish.Reason.ShouldBe(FinishReason.Quota);
        open.Finish.StreamedTokens.ShouldBe(38u, "100, less 61 reserved, less its own input");
        (await declared).Finish.Reason.ShouldBe(FinishReason.Length);
        (await declared).Finish.StreamedTokens.ShouldBe(60u);
    }

    [Fact]
    public async Task TokensPerMinute_ReservedAndNotUsed_IsGivenBack()
    {
        await using var server = await StartAsync(ScriptedBackend.Text("one", "two"), "TokensPerMinute=100");

        for (var call = 0; call < 5; call++)
            (await CallAsync(server, request: Limited(80))).Status.StatusCode.ShouldBe(StatusCode.OK);

        // Three tokens each: 85 are left.
        (await CallAsync(server, request: Limited(85))).Reason.ShouldBe("QUOTA_EXCEEDED");
        (await CallAsync(server, request: Limited(84))).Status.StatusCode.ShouldBe(StatusCode.OK);
    }

    [Theory]
    [InlineData(null, 5)]
    [InlineData(100u, 5)]
    [InlineData(3u, 3)]
    public async Task MaxOutputTokens_EndsWithLength(uint? requested, int tokens)
    {
        await using var server = await StartAsync(
            null, "MaxOutputTokens=5", "Models:0=simulator");
        var request = new GenerateRequest { Prompt = "p", Model = "simulator", Limits = new GenerationLimits() };
        if (requested is { } most) request.Limits.MaxOutputTokens = most;

        var answer = await CallAsync(server, request: request);

        answer.Finish.Reason.ShouldBe(FinishReason.Length);
        answer.Finish.StreamedTokens.ShouldBe((uint)tokens);
    }

    private Task<LlmServer> StartAsync(ScriptedBackend? backend, params string[] limitsOfA) => LlmServer.StartAsync(
        backend, builder => builder.Services.AddSingleton<TimeProvider>(_time),
        [
            .. TenantSettings.Of("a", "key-of-a", limitsOfA), .. TenantSettings.Of("b", "key-of-b"),
            "GrpcLlm:Backends:simulator:TimeToFirstToken=00:00:00", "GrpcLlm:Backends:simulator:InterTokenLatency=00:00:00",
        ]);

    private static async Task<Answer> CallAsync(LlmServer server, string key = "key-of-a", GenerateRequest? request = null)
    {
        using var call = server.Client.Generate(
            request ?? new GenerateRequest { Prompt = "p" }, TenantSettings.Key(key), cancellationToken: Cancelled);
        return await Answer.OfAsync(call);
    }

    private static GenerateRequest Limited(uint tokens) =>
        new() { Prompt = "p", Limits = new GenerationLimits { MaxOutputTokens = tokens } };

    private static async IAsyncEnumerable<BackendEvent> Words(
        int count, Task start, [EnumeratorCancellation] CancellationToken token)
    {
        await start.WaitAsync(token);
        for (var word = 0; word < count; word++)
        {
            await Task.Yield();
            token.ThrowIfCancellationRequested();
            yield return BackendEvent.TextDelta(" word");
        }

        yield return BackendEvent.Finished(new BackendEnding(FinishReason.Length));
    }

    private static void ShouldBeQuota(Answer answer, string limit, TimeSpan retryAfter)
    {
        answer.Chunks.ShouldBeEmpty();
        answer.Status.StatusCode.ShouldBe(StatusCode.ResourceExhausted);
        answer.Reason.ShouldBe("QUOTA_EXCEEDED");
        answer.ErrorMetadata["retry_safe"].ShouldBe("true");
        answer.Detail<QuotaFailure>().Violations.ShouldHaveSingleItem().ShouldBe(
            new QuotaFailure.Types.Violation { Subject = "tenant:a", Description = limit });
        answer.Detail<RetryInfo>().RetryDelay.ToTimeSpan().ShouldBe(retryAfter);
        answer.Trailer("grpc-retry-pushback-ms").ShouldBe($"{retryAfter.TotalMilliseconds}");
    }
}
