using System.Net;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Grpc.Health.V1;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace GrpcLlm.FunctionalTests.Hosting;

/// <summary>What callers see of a server that stops.</summary>
public sealed class DrainTests
{
    private static readonly GenerateRequest Prompt = new() { Prompt = "p", RequestId = "the-one" };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Stopping_EverybodyIsTold_OtherCallsAreServed_AndTheRunningStreamEndsWithItsFinish()
    {
        var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var backend = new ScriptedBackend((_, _) => TwoPartsAsync(goOn.Task));
        await using var server = await LlmServer.StartAsync(backend);
        using var running = server.Client.Generate(Prompt, cancellationToken: Cancelled);
        (await running.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
        using var watch = new Health.HealthClient(server.Channel).Watch(new HealthCheckRequest(), cancellationToken: Cancelled);
        (await watch.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();

        var stopping = server.StopAsync();

        (await watch.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
        watch.ResponseStream.Current.Status.ShouldBe(ServingStatus.NotServing);
        using var http = new HttpClient();
        using var ready = await http.GetAsync(new Uri(server.OpsAddress, "/readyz"), Cancelled);
        ready.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);

        // On the connection that is open, and on one of its own: the endpoint still listens.
        var refused = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });
        refused.Status.StatusCode.ShouldBe(StatusCode.Unavailable);
        refused.Reason.ShouldBe("DRAINING");
        refused.ErrorMetadata["retry_safe"].ShouldBe("true");
        refused.Detail<RetryInfo>().RetryDelay.ShouldBe(Duration.FromTimeSpan(TimeSpan.FromSeconds(1)));
        refused.Trailer("grpc-retry-pushback-ms").ShouldBe("1000");
        refused.Trailer("finish-reason").ShouldBe("error");
        await using (var connection = await RawHttp2Connection.ConnectAsync(server.Address))
            (await (await connection.CallAsync(Paths.ListModels, [])).Trailers).ShouldContain(("grpc-status", "0"));
        (await server.Client.CountTokensAsync(new CountTokensRequest { Prompt = "p" }, cancellationToken: Cancelled)).InputTokens.ShouldBe(7u);
        stopping.IsCompleted.ShouldBeFalse();

        goOn.SetResult();
        var rest = await Answer.OfAsync(running);
        rest.Text.ShouldBe(" two");
        rest.Finish.Reason.ShouldBe(FinishReason.Stop);
        (await watch.ResponseStream.MoveNext(Cancelled)).ShouldBeFalse();
        watch.GetStatus().StatusCode.ShouldBe(StatusCode.OK);
        await stopping;
        server.Logs.Errors.ShouldBeEmpty();
    }

    [Fact]
    public async Task CancelGeneration_WhileDraining_EndsTheRunningOne()
    {
        var backend = ScriptedBackend.Silent(BackendEvent.TextDelta("one"));
        await using var server = await LlmServer.StartAsync(backend);
        using var running = server.Client.Generate(Prompt, cancellationToken: Cancelled);
        (await running.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
        var stopping = server.StopAsync();

        var cancelled = await server.Client.CancelGenerationAsync(
            new CancelGenerationRequest { RequestId = "the-one" }, cancellationToken: Cancelled);

        cancelled.CancelledCount.ShouldBe(1u);
        (await Answer.OfAsync(running)).Finish.Reason.ShouldBe(FinishReason.Cancelled);
        await stopping;
    }

    [Fact]
    public async Task GraceOver_AfterTokens_IsAbortedAndSaysWhereItStopped()
    {
        var backend = ScriptedBackend.Silent(BackendEvent.TextDelta("one"), BackendEvent.TextDelta(" two"));
        await using var server = await LlmServer.StartAsync(backend, "GrpcLlm:Shutdown:Grace=00:00:00.1");
        using var running = server.Client.Generate(Prompt, cancellationToken: Cancelled);
        for (var index = 0; index < 2; index++) (await running.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();

        await server.StopAsync();

        var end = await Answer.OfAsync(running);
        end.Status.StatusCode.ShouldBe(StatusCode.Aborted);
        end.Reason.ShouldBe("DRAINING");
        end.ErrorMetadata["last_sequence"].ShouldBe("2");
        end.ErrorMetadata["streamed_tokens"].ShouldBe("2");
        end.ErrorMetadata["retry_safe"].ShouldBe("false");
        end.Trailer("grpc-retry-pushback-ms").ShouldBe("-1");
        end.Summary.Usage.OutputTokens.ShouldBe(2u);
        await (await backend.NextRunAsync()).Ended;
        (await server.Logs.NextUsageAsync()).GetProperty("error_reason").GetString().ShouldBe("DRAINING");
        server.Logs.Errors.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task GraceOver_BeforeTheFirstToken_IsUnavailableWithPushback(bool progress)
    {
        var backend = ScriptedBackend.Silent();
        await using var server = await LlmServer.StartAsync(backend, "GrpcLlm:Shutdown:Grace=00:00:00");
        using var running = server.Client.Generate(
            new GenerateRequest { Prompt = "p", Output = new OutputOptions { Progress = progress } }, cancellationToken: Cancelled);
        await backend.NextRunAsync();
        if (progress) (await running.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();

        await server.StopAsync();

        var end = await Answer.OfAsync(running);
        end.Chunks.ShouldAllBe(static chunk => chunk.Progress != null);
        end.Status.StatusCode.ShouldBe(StatusCode.Unavailable);
        end.Reason.ShouldBe("DRAINING");
        end.ErrorMetadata["retry_safe"].ShouldBe("true");
        end.Detail<RetryInfo>().RetryDelay.ShouldBe(Duration.FromTimeSpan(TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public async Task Queued_IsToldAtOnce_ThoughTheRunningOneGoesOn()
    {
        var backend = ScriptedBackend.Silent(BackendEvent.TextDelta("one"));
        await using var server = await LlmServer.StartAsync(backend, "GrpcLlm:Admission:MaxConcurrent=1");
        using var running = server.Client.Generate(Prompt, cancellationToken: Cancelled);
        (await running.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
        using var queued = server.Client.Generate(
            new GenerateRequest { Prompt = "p", Output = new OutputOptions { Progress = true } }, cancellationToken: Cancelled);
        (await queued.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();

        var stopping = server.StopAsync();

        var refused = await Answer.OfAsync(queued);
        refused.Status.StatusCode.ShouldBe(StatusCode.Unavailable);
        refused.Reason.ShouldBe("DRAINING");
        refused.Trailer("grpc-retry-pushback-ms").ShouldBe("1000");
        stopping.IsCompleted.ShouldBeFalse();
        running.Dispose();
        await stopping;
    }

    [Fact]
    public async Task Connections_AreClosedWithGoAwayAndNoError()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        (await (await connection.CallAsync(Paths.ListModels, [])).Trailers).ShouldContain(("grpc-status", "0"));

        await server.StopAsync();

        await connection.Closed;
        connection.GoAwayCode.ShouldBe(0u);
    }

    [Fact]
    public async Task IdleServer_WatchersStillHearThatItNoLongerServes()
    {
        for (var round = 0; round < 20; round++)
        {
            await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));
            using var watch = new Health.HealthClient(server.Channel).Watch(new HealthCheckRequest(), cancellationToken: Cancelled);
            (await watch.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();

            var stopping = server.StopAsync();

            (await watch.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
            watch.ResponseStream.Current.Status.ShouldBe(ServingStatus.NotServing);
            (await watch.ResponseStream.MoveNext(Cancelled)).ShouldBeFalse();
            await stopping;
        }
    }

    private static async IAsyncEnumerable<BackendEvent> TwoPartsAsync(Task goOn)
    {
        yield return BackendEvent.TextDelta("one");
        await goOn;
        yield return BackendEvent.TextDelta(" two");
        yield return BackendEvent.Finished(new BackendEnding(FinishReason.Stop));
    }
}
