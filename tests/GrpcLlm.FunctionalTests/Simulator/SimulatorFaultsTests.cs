using Google.Rpc;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Resilience;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Simulator;

/// <summary>Faults of the simulator reach the client as those of a provider do.</summary>
public sealed class SimulatorFaultsTests
{
    private static readonly GenerateRequest Prompt = new() { Model = "simulator", Prompt = "p" };

    // The shipped settings and one flag; and no waits, so that tests are quick.
    private static readonly string[] Allowing =
    [
        "GrpcLlm:Backends:simulator:AllowRequestOverrides=true",
        "GrpcLlm:Backends:simulator:TimeToFirstToken=00:00:00", "GrpcLlm:Backends:simulator:InterTokenLatency=00:00:00",
        "GrpcLlm:Backends:simulator:FirstTokenTimeout=00:00:00.2", "GrpcLlm:Backends:simulator:IdleTimeout=00:00:00.2",
    ];

    [Theory]
    [InlineData("429", StatusCode.ResourceExhausted, "UPSTREAM_RATE_LIMITED")]
    [InlineData("500", StatusCode.Unavailable, "UPSTREAM_UNAVAILABLE")]
    [InlineData("refused", StatusCode.Unavailable, "UPSTREAM_UNAVAILABLE")]
    [InlineData("reset", StatusCode.Unavailable, "UPSTREAM_UNAVAILABLE")]
    [InlineData("truncate", StatusCode.Unavailable, "UPSTREAM_UNAVAILABLE")]
    [InlineData("malformed", StatusCode.Unavailable, "UPSTREAM_UNAVAILABLE")]
    [InlineData("stall", StatusCode.Unavailable, "FIRST_TOKEN_TIMEOUT")]
    public async Task BeforeTheFirstToken_IsRetryable_WithRetryInfo(string fault, StatusCode status, string reason)
    {
        await using var server = await LlmServer.StartAsync(Allowing);

        var answer = await FaultyAsync(server, fault);

        answer.Status.StatusCode.ShouldBe(status);
        answer.Reason.ShouldBe(reason);
        answer.Chunks.ShouldBeEmpty();
        answer.ErrorMetadata["streamed_tokens"].ShouldBe("0");
        answer.ErrorMetadata["retry_safe"].ShouldBe("true");
        answer.Detail<RetryInfo>().RetryDelay.ToTimeSpan().ShouldBe(TimeSpan.FromSeconds(1));
        answer.Trailer("grpc-retry-pushback-ms").ShouldBe("1000");
        answer.Trailer("finish-reason").ShouldBe("error");
        answer.Summary.Usage.OutputTokens.ShouldBe(0u);
    }

    [Theory]
    [InlineData("reset@10", "UPSTREAM_TRUNCATED")]
    [InlineData("truncate@10", "UPSTREAM_TRUNCATED")]
    [InlineData("malformed@10", "UPSTREAM_MALFORMED")]
    [InlineData("500@10", "UPSTREAM_FAILED")]
    [InlineData("stall@10", "UPSTREAM_STALLED")]
    public async Task AfterTokens_IsAborted_AndTheTokensStand(string fault, string reason)
    {
        await using var server = await LlmServer.StartAsync(Allowing);

        var answer = await FaultyAsync(server, fault);

        answer.Status.StatusCode.ShouldBe(StatusCode.Aborted);
        answer.Reason.ShouldBe(reason);
        answer.Chunks.Sum(static chunk => chunk.TokenCount).ShouldBe(10);
        answer.Chunks.ShouldAllBe(static chunk => chunk.Finish == null);
        answer.ErrorMetadata["streamed_tokens"].ShouldBe("10");
        answer.ErrorMetadata["retry_safe"].ShouldBe("false");
        answer.Trailer("grpc-retry-pushback-ms").ShouldBe("-1");
        answer.Summary.Usage.OutputTokens.ShouldBe(10u);
        answer.Summary.Usage.Source.ShouldBe(UsageSource.Counted);
        answer.Told().ShouldBe(["simulator Served"]);
    }

    [Fact]
    public async Task StatusOfTheCallersFault_IsFinal()
    {
        await using var server = await LlmServer.StartAsync([.. Allowing, "GrpcLlm:Resilience:MaxAttempts=3"]);

        var answer = await FaultyAsync(server, "422");

        answer.Status.StatusCode.ShouldBe(StatusCode.FailedPrecondition);
        answer.Reason.ShouldBe("UPSTREAM_REJECTED");
        answer.Told().ShouldBe(["simulator Failed UpstreamRejected"]);
    }

    [Fact]
    public async Task ConfiguredFault_FailsOverToTheNextRoute()
    {
        await using var server = await TwoRoutesAsync("GrpcLlm:Backends:a:Faults:0:Kind=refused", "GrpcLlm:Backends:a:Faults:0:Rate=1");

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        answer.Status.StatusCode.ShouldBe(StatusCode.OK);
        answer.Finish.Usage.OutputTokens.ShouldBe(128u);
        answer.Told().ShouldBe(["a Failed UpstreamUnavailable", "b Served"]);
    }

    [Fact]
    public async Task ChosenFault_HitsEveryRoute_AndTheCallFails()
    {
        await using var server = await TwoRoutesAsync("GrpcLlm:Backends:a:AllowRequestOverrides=true", "GrpcLlm:Backends:b:AllowRequestOverrides=true");

        var answer = await Answer.OfAsync(
            server, new GenerateRequest { Prompt = "p" }, metadata: new Metadata { { "simulate-fault", "refused" } });

        answer.Reason.ShouldBe("UPSTREAM_UNAVAILABLE");
        answer.Told().ShouldBe(["a Failed UpstreamUnavailable", "b Failed UpstreamUnavailable"]);
    }

    [Fact]
    public async Task RetryAfterOfARateLimit_IsTheCallers()
    {
        await using var server = await LlmServer.StartAsync(
            [.. Allowing, "GrpcLlm:Backends:simulator:Faults:0:Kind=429", "GrpcLlm:Backends:simulator:Faults:0:Rate=1", "GrpcLlm:Backends:simulator:Faults:0:RetryAfter=00:00:07"]);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe("UPSTREAM_RATE_LIMITED");
        answer.Trailer("grpc-retry-pushback-ms").ShouldBe("7000");
    }

    private static Task<LlmServer> TwoRoutesAsync(params string[] settings) => LlmServer.StartAsync(
    [
        "GrpcLlm:Backends:a:Kind=simulator", "GrpcLlm:Backends:b:Kind=simulator", "GrpcLlm:Models:m:Routes:0:Backend=a",
        "GrpcLlm:Models:m:Routes:1:Backend=b", "GrpcLlm:DefaultModel=m", "GrpcLlm:Resilience:MaxAttempts=2", .. settings,
    ]);

    private static Task<Answer> FaultyAsync(LlmServer server, string fault) =>
        Answer.OfAsync(server, Prompt, metadata: new Metadata { { "simulate-fault", fault } });
}
