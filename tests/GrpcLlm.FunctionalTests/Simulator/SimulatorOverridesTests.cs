using Google.Rpc;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Simulator;

/// <summary>Metadata by which a call chooses what the simulator does, and the simulator's own queue.</summary>
public sealed class SimulatorOverridesTests
{
    private const string Allow = "GrpcLlm:Backends:simulator:AllowRequestOverrides=true";

    private static readonly GenerateRequest Prompt = new() { Model = "simulator", Prompt = "p" };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task TimesAndLength_AreTheCalls()
    {
        await using var server = await LlmServer.StartAsync(Allow);

        var answer = await Answer.OfAsync(server, Prompt, metadata: new Metadata
        {
            { "simulate-ttft-ms", "30" }, { "simulate-itl-ms", "0.5" }, { "simulate-output-tokens", "7" },
        });

        answer.Finish.Reason.ShouldBe(FinishReason.Stop);
        answer.Finish.Usage.OutputTokens.ShouldBe(7u);
        answer.Chunks.Sum(static chunk => chunk.TokenCount).ShouldBe(7);

        // Never early: 30 ms, and six gaps of 0.5 ms behind it.
        var gaps = answer.Chunks.SelectMany(static chunk => chunk.TokenGapsUs).ToList();
        gaps.Count.ShouldBe(7);
        gaps[0].ShouldBeGreaterThanOrEqualTo(30_000u);
        gaps.Sum(static gap => (long)gap).ShouldBeGreaterThanOrEqualTo(33_000);
    }

    [Fact]
    public async Task NotAllowed_IsRefusedByName()
    {
        await using var server = await LlmServer.StartAsync();

        var answer = await Answer.OfAsync(server, Prompt, metadata: new Metadata { { "simulate-itl-ms", "1" }, { "simulate-fault", "reset@1" } });

        answer.Status.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        answer.Reason.ShouldBe("INVALID_REQUEST");
        answer.Detail<BadRequest>().FieldViolations.Select(static one => one.Field)
            .ShouldBe(["metadata[simulate-fault]", "metadata[simulate-itl-ms]"]);
    }

    [Fact]
    public async Task BadValues_AreRefusedByName()
    {
        await using var server = await LlmServer.StartAsync(Allow);

        var answer = await Answer.OfAsync(server, Prompt, metadata: new Metadata
        {
            { "simulate-ttft-ms", "soon" }, { "simulate-itl-ms", "1" }, { "simulate-itl-ms", "2" }, { "simulate-latency", "1" },
        });

        answer.Reason.ShouldBe("INVALID_REQUEST");
        answer.Detail<BadRequest>().FieldViolations.Select(static one => one.Field)
            .ShouldBe(["metadata[simulate-itl-ms]", "metadata[simulate-latency]", "metadata[simulate-ttft-ms]"]);
    }

    [Fact]
    public async Task CountTokens_RefusesThemToo()
    {
        await using var server = await LlmServer.StartAsync();

        var failure = await Should.ThrowAsync<RpcException>(async () => await server.Client.CountTokensAsync(
            new CountTokensRequest { Model = "simulator", Prompt = "p" }, new Metadata { { "simulate-itl-ms", "1" } }, cancellationToken: Cancelled));

        failure.StatusCode.ShouldBe(StatusCode.InvalidArgument);
    }

    [Fact]
    public async Task OtherBackend_TakesNoNotice()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("served"));

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" }, metadata: new Metadata { { "simulate-fault", "429" } });

        answer.Status.StatusCode.ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task SlotsTaken_ProgressTellsThePlace_AndOneMoreIsOverloaded()
    {
        await using var server = await LlmServer.StartAsync(
            Allow, "GrpcLlm:Backends:simulator:MaxConcurrent=1", "GrpcLlm:Backends:simulator:MaxQueue=1", "GrpcLlm:Backends:simulator:IdleTimeout=01:00:00",
            "GrpcLlm:Backends:simulator:TimeToFirstToken=00:00:00", "GrpcLlm:Backends:simulator:InterTokenLatency=00:00:00");
        var holder = server.Client.Generate(Prompt, new Metadata { { "simulate-itl-ms", "3600000" } }, cancellationToken: Cancelled);
        (await holder.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
        var waiting = new GenerateRequest(Prompt) { Output = new OutputOptions { Progress = true } };
        using var queued = server.Client.Generate(waiting, cancellationToken: Cancelled);
        Progress progress;
        do
        {
            (await queued.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
            progress = queued.ResponseStream.Current.Progress;
        }
        while (progress.Phase != ProgressPhase.Queued);
        progress.QueuePosition.ShouldBe(1u);

        var answer = await Answer.OfAsync(server, Prompt);
        answer.Status.StatusCode.ShouldBe(StatusCode.Unavailable);
        answer.Reason.ShouldBe("OVERLOADED");

        holder.Dispose();
        var served = await Answer.OfAsync(queued);
        served.Status.StatusCode.ShouldBe(StatusCode.OK);
        served.Finish.Usage.OutputTokens.ShouldBe(128u);
    }
}
