using System.Runtime.CompilerServices;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests;

/// <summary>The ways in which a generation ends before its backend is done: each stops the backend at once.</summary>
public sealed class EndsTests
{
    private static readonly GenerateRequest Prompt = new() { Prompt = "p", RequestId = "the-one" };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ClientCancel_MidStream_StopsTheBackendAndIsRecorded()
    {
        var backend = ScriptedBackend.Endless();
        await using var server = await LlmServer.StartAsync(backend);
        using (var call = server.Client.Generate(Prompt, cancellationToken: Cancelled))
        {
            await call.ResponseStream.MoveNext(Cancelled);
        }

        var run = await backend.NextRunAsync();
        await run.Ended;
        var usage = await server.Logs.NextUsageAsync();
        usage.GetProperty("error_reason").GetString().ShouldBe("CLIENT_CANCELLED");
        usage.GetProperty("output_tokens").GetInt32().ShouldBeGreaterThan(0);
        await Eventually.IsAsync(() => server.Metrics.Active == 0);
        server.Metrics.Finished("client_cancelled", "client").ShouldBe(1);
        server.Logs.Errors.ShouldBeEmpty();
    }

    [Fact]
    public async Task ClientCancel_BeforeTheFirstToken_StopsTheBackend()
    {
        var backend = ScriptedBackend.Silent();
        await using var server = await LlmServer.StartAsync(backend);
        var call = server.Client.Generate(Prompt, cancellationToken: Cancelled);
        var run = await backend.NextRunAsync();

        call.Dispose();

        await run.Ended;
        (await server.Logs.NextUsageAsync()).GetProperty("error_reason").GetString().ShouldBe("CLIENT_CANCELLED");
        server.Logs.Errors.ShouldBeEmpty();
    }

    [Fact]
    public async Task ConnectionLost_StopsEveryStreamOnIt()
    {
        var backend = ScriptedBackend.Silent(BackendEvent.TextDelta("x"));
        await using var server = await LlmServer.StartAsync(backend);
        var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        for (var i = 0; i < 5; i++) await connection.CallAsync(Paths.Generate, Prompt.ToByteArray());
        var runs = new List<ScriptedRun>();
        for (var i = 0; i < 5; i++) runs.Add(await backend.NextRunAsync());

        connection.Abort();

        foreach (var run in runs) await run.Ended;
        await Eventually.IsAsync(() => server.Metrics.Active == 0);
        server.Metrics.Finished("client_cancelled", "client").ShouldBe(5);
        server.Logs.Errors.ShouldBeEmpty();
        await connection.DisposeAsync();
    }

    [Fact]
    public async Task CancelGeneration_FromAnotherConnection_FinishesCancelledWithTheBill()
    {
        var backend = ScriptedBackend.Silent(
            BackendEvent.Opened(new BackendOpening { InputTokens = 11, TokenCountSource = UsageSource.Counted }),
            BackendEvent.TextDelta("one"), BackendEvent.TextDelta(" two"));
        await using var server = await LlmServer.StartAsync(backend);
        using var call = server.Client.Generate(Prompt, cancellationToken: Cancelled);
        for (var i = 0; i < 2; i++) await call.ResponseStream.MoveNext(Cancelled);
        await using var other = await RawHttp2Connection.ConnectAsync(server.Address);

        var cancel = await other.CallAsync(
            "/grpcllm.v1.GenerationService/CancelGeneration",
            new CancelGenerationRequest { RequestId = "the-one" }.ToByteArray());
        var response = CancelGenerationResponse.Parser.ParseFrom(await cancel.NextAsync());

        response.ShouldBe(new CancelGenerationResponse { State = CancelState.Cancelled, CancelledCount = 1 });
        var rest = await Answer.OfAsync(call);
        rest.Status.StatusCode.ShouldBe(StatusCode.OK);
        rest.Finish.Reason.ShouldBe(FinishReason.Cancelled);
        rest.Finish.Usage.InputTokens.ShouldBe(11u);
        rest.Finish.Usage.OutputTokens.ShouldBe(2u);
        rest.Finish.Usage.Source.ShouldBe(UsageSource.Counted);
        rest.Trailer("finish-reason").ShouldBe("cancelled");
        await (await backend.NextRunAsync()).Ended;

        var again = await server.Client.CancelGenerationAsync(
            new CancelGenerationRequest { RequestId = "the-one" }, cancellationToken: Cancelled);
        again.State.ShouldBe(CancelState.AlreadyFinished);
        var never = await server.Client.CancelGenerationAsync(
            new CancelGenerationRequest { RequestId = "never-was" }, cancellationToken: Cancelled);
        never.State.ShouldBe(CancelState.NotFound);
    }

    [Fact]
    public async Task CancelGeneration_BeforeTheFirstToken_IsStartedAndFinishInOneMessage()
    {
        var backend = ScriptedBackend.Silent();
        await using var server = await LlmServer.StartAsync(backend);
        using var call = server.Client.Generate(Prompt, cancellationToken: Cancelled);
        await backend.NextRunAsync();

        await server.Client.CancelGenerationAsync(
            new CancelGenerationRequest { RequestId = "the-one" }, cancellationToken: Cancelled);

        var answer = await Answer.OfAsync(call);
        var only = answer.Chunks.ShouldHaveSingleItem();
        only.Started.RequestId.ShouldBe("the-one");
        only.Finish.Reason.ShouldBe(FinishReason.Cancelled);
        answer.Status.StatusCode.ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task CancelGeneration_SharedName_EndsAllThatCarryIt()
    {
        var backend = ScriptedBackend.Silent(BackendEvent.TextDelta("x"));
        await using var server = await LlmServer.StartAsync(backend);
        var calls = Enumerable.Range(0, 3).Select(_ => server.Client.Generate(Prompt, cancellationToken: Cancelled)).ToList();
        foreach (var call in calls) await call.ResponseStream.MoveNext(Cancelled);

        var response = await server.Client.CancelGenerationAsync(
            new CancelGenerationRequest { RequestId = "the-one" }, cancellationToken: Cancelled);

        response.CancelledCount.ShouldBe(3u);
        foreach (var call in calls) (await Answer.OfAsync(call)).Finish.Reason.ShouldBe(FinishReason.Cancelled);
    }

    [Fact]
    public async Task TimeBudget_AfterTokens_FinishesWithTrailers()
    {
        var backend = ScriptedBackend.Silent(BackendEvent.TextDelta("early"));
        await using var server = await LlmServer.StartAsync(backend);
        var request = new GenerateRequest
        {
            Prompt = "p", Limits = new GenerationLimits { TimeBudget = Duration.FromTimeSpan(TimeSpan.FromMilliseconds(300)) },
        };

        var answer = await Answer.OfAsync(server, request);

        answer.Text.ShouldBe("early");
        answer.Finish.Reason.ShouldBe(FinishReason.TimeBudget);
        answer.Finish.Usage.OutputTokens.ShouldBe(1u);
        answer.Status.StatusCode.ShouldBe(StatusCode.OK);
        await (await backend.NextRunAsync()).Ended;
    }

    [Fact]
    public async Task TimeBudget_BeforeTheFirstToken_IsDeadlineTrailersOnly()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Silent());
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        var request = new GenerateRequest
        {
            Prompt = "p", Limits = new GenerationLimits { TimeBudget = Duration.FromTimeSpan(TimeSpan.FromMilliseconds(100)) },
        };

        var stream = await connection.CallAsync(Paths.Generate, request.ToByteArray());
        var trailers = await stream.Trailers;

        stream.IsTrailersOnly.ShouldBeTrue();
        trailers.ShouldContain(("grpc-status", "4"));
        trailers.ShouldContain(("finish-reason", "error"));
        trailers.ShouldContain(field => field.Name == "generation-summary-bin");
    }

    // The client counts its deadline from before it sends: a slow machine needs room between its clock and the server's.
    private const string DeadlineMargin = "GrpcLlm:Streaming:DeadlineMargin=00:00:00.6";

    private static async Task ConnectAsync(LlmServer server) =>
        await server.Client.ListModelsAsync(new ListModelsRequest(), cancellationToken: TestContext.Current.CancellationToken);

    [Fact]
    public async Task ClientDeadline_AfterTokens_EndsEarlyEnoughForTrailers()
    {
        var backend = ScriptedBackend.Silent(BackendEvent.TextDelta("early"));
        await using var server = await LlmServer.StartAsync(backend, DeadlineMargin);
        await ConnectAsync(server);

        var answer = await Answer.OfAsync(
            server, Prompt, TimeProvider.System.GetUtcNow().UtcDateTime + TimeSpan.FromSeconds(6));

        answer.Finish.Reason.ShouldBe(FinishReason.TimeBudget);
        answer.Trailer("finish-reason").ShouldBe("time_budget");
    }

    [Fact]
    public async Task ClientDeadline_BeforeTheFirstToken_IsTypedDeadline()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Silent(), DeadlineMargin);
        await ConnectAsync(server);

        var answer = await Answer.OfAsync(
            server, Prompt, TimeProvider.System.GetUtcNow().UtcDateTime + TimeSpan.FromSeconds(6));

        answer.Status.StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
        answer.Reason.ShouldBe("DEADLINE");
        answer.Chunks.ShouldBeEmpty();
    }

    [Fact]
    public async Task StopSequence_AcrossChunkBorders_IsNeverEmittedNotEvenInPart()
    {
        var backend = new ScriptedBackend((_, token) => PlayForever(["I want", " to st", "o", "p he", "re and on"], token));
        await using var server = await LlmServer.StartAsync(backend);
        var request = new GenerateRequest { Prompt = "p", Limits = new GenerationLimits { StopSequences = { "stop", "zzz" } } };

        var answer = await Answer.OfAsync(server, request);

        answer.Text.ShouldBe("I want to ");
        answer.Finish.Reason.ShouldBe(FinishReason.StopSequence);
        answer.Finish.StopSequence.ShouldBe("stop");
        answer.Summary.StopSequence.ShouldBe("stop");
        answer.Finish.StreamedTokens.ShouldBe(4u);
        answer.Finish.Usage.OutputTokens.ShouldBe(4u);
        var run = await backend.NextRunAsync();
        await run.Ended;
        run.Events.ShouldBe(4);
    }

    [Fact]
    public async Task StopSequence_OnlyItsBeginning_IsReleasedInTheEnd()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("never st", "op"));
        var request = new GenerateRequest { Prompt = "p", Limits = new GenerationLimits { StopSequences = { "stopped" } } };

        var answer = await Answer.OfAsync(server, request);

        answer.Text.ShouldBe("never stop");
        answer.Finish.Reason.ShouldBe(FinishReason.Stop);
        answer.Chunks.Sum(chunk => chunk.TokenCount).ShouldBe(2);
    }

    private static async IAsyncEnumerable<BackendEvent> PlayForever(
        string[] deltas, [EnumeratorCancellation] CancellationToken token)
    {
        foreach (var delta in deltas) yield return BackendEvent.TextDelta(delta);
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token);
    }
}
