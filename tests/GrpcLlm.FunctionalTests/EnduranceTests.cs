using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Admission;
using GrpcLlm.V1;
using Microsoft.Extensions.DependencyInjection;

namespace GrpcLlm.FunctionalTests;

/// <summary>Many streams, one after another and at once: each ends cleanly and nothing is left behind.</summary>
public sealed class EnduranceTests
{
    private static readonly string[] Unpaced =
    [
        "GrpcLlm:Backends:simulator:TimeToFirstToken=00:00:00", "GrpcLlm:Backends:simulator:InterTokenLatency=00:00:00",
        "GrpcLlm:DefaultModel=simulator",
    ];

    [Fact]
    public async Task TenThousandStreams_OneAfterAnother_LeaveNothingBehind()
    {
        const int streams = 10_000;
        await using var server = await LlmServer.StartAsync(Unpaced);
        var request = new GenerateRequest { Prompt = "p", Limits = new GenerationLimits { MaxOutputTokens = 3 } };

        for (var n = 0; n < streams; n++)
        {
            using var call = server.Client.Generate(request, cancellationToken: TestContext.Current.CancellationToken);
            var chunks = 0;
            Finish? finish = null;
            while (await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken))
            {
                chunks++;
                finish = call.ResponseStream.Current.Finish;
            }

            chunks.ShouldBeInRange(1, 4);
            finish.ShouldNotBeNull().Usage.OutputTokens.ShouldBe(3u);
        }

        await ShouldBeIdleAsync(server, streams);
    }

    [Theory]
    [InlineData("simulator")]
    [InlineData("embedded")]
    public async Task FiveHundredStreamsAtOnce_AllEndCleanly(string model)
    {
        const int streams = 500;

        // Most of them wait for a slot; on a busy machine the last ones longer than a caller would.
        await using var server = await LlmServer.StartAsync("GrpcLlm:Resilience:TotalTimeout=01:00:00");
        var request = new GenerateRequest
        {
            Model = model, Prompt = "Once upon", Limits = new GenerationLimits { MaxOutputTokens = 5, MinOutputTokens = 5 },
        };

        var answers = await Task.WhenAll(Enumerable.Range(0, streams).Select(_ => Answer.OfAsync(server, request)));

        // The status first: a call that failed has no finish.
        answers.Select(answer => answer.Status).Distinct().ShouldBe([Status.DefaultSuccess]);
        answers.ShouldAllBe(answer => answer.Finish.Reason == FinishReason.Length);
        answers.ShouldAllBe(answer => answer.Chunks.Sum(chunk => chunk.TokenCount) == 5);
        await ShouldBeIdleAsync(server, streams);
    }

    [Fact]
    public async Task CancelStorm_LeavesNothingBehind()
    {
        const int streams = 300;
        await using var server = await LlmServer.StartAsync();
        await Task.WhenAll(Enumerable.Range(0, streams).Select(async n =>
        {
            using var call = server.Client.Generate(
                new GenerateRequest { Prompt = "The old king", Model = n % 2 == 0 ? "embedded" : "simulator" },
                cancellationToken: TestContext.Current.CancellationToken);
            for (var reads = n % 4; reads > 0; reads--) await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken);
        }));

        // A call that was cancelled before the server saw it is none, so the number is not known; that none is left is.
        await Eventually.IsAsync(() => server.Metrics.Active == 0 && server.Services.GetRequiredService<LiveCalls>().Count == 0);
        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p", Limits = new GenerationLimits { MaxOutputTokens = 1 } });
        answer.Finish.ShouldNotBeNull();
        server.Logs.Errors.ShouldBeEmpty();
    }

    private static async Task ShouldBeIdleAsync(LlmServer server, int streams)
    {
        await Eventually.IsAsync(() => server.Metrics.AllFinished == streams);
        server.Metrics.Active.ShouldBe(0);
        server.Services.GetRequiredService<LiveCalls>().Count.ShouldBe(0);
        server.Logs.UsageWaiting.ShouldBe(streams);
        server.Logs.Errors.ShouldBeEmpty();
    }
}
