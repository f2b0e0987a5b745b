using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Telemetry;

/// <summary>Hundreds of calls at once, each ended in another way: the gauges return to zero and the books agree.</summary>
public sealed class StormTests
{
    [Fact]
    public async Task Storm_EveryGaugeReturnsToZero_AndRecordsAgreeWithCounts()
    {
        const int calls = 400;
        await using var server = await LlmServer.StartAsync(
            "GrpcLlm:DefaultModel=simulator", "GrpcLlm:Backends:simulator:InterTokenLatency=00:00:00.002",
            "GrpcLlm:Backends:simulator:TimeToFirstToken=00:00:00.01", "GrpcLlm:Admission:MaxConcurrent=50",
            "GrpcLlm:Admission:MaxQueue=100", "GrpcLlm:Streaming:ClientStallTimeout=00:00:00.5");

        await Task.WhenAll(Enumerable.Range(0, calls).Select(number => CallAsync(server, number)));

        await server.StopAsync();
        await Eventually.IsAsync(() => server.Metrics.Active == 0);
        foreach (var state in (string[])["queued", "waiting_for_first_token", "streaming", "stalled"])
            server.Metrics.ActiveIn(state).ShouldBe(0, state);
        server.Metrics.AllFinished.ShouldBe(server.Logs.UsageWaiting);
        server.Metrics.Of("gen_ai.server.request.duration").Count.ShouldBe(server.Logs.UsageWaiting);

        // Calls that were cancelled before the server saw them are none.
        server.Metrics.AllFinished.ShouldBeInRange(calls / 2, calls);
        server.Logs.Errors.ShouldBeEmpty();
    }

    private static async Task CallAsync(LlmServer server, int number)
    {
        var request = new GenerateRequest
        {
            Prompt = "p", Limits = new GenerationLimits { MaxOutputTokens = 20 }, RequestId = $"storm-{number}",
        };
        var token = TestContext.Current.CancellationToken;
        switch (number % 8)
        {
            case 0:
                await Answer.OfAsync(server, request);
                break;
            case 1:
                server.Client.Generate(request, cancellationToken: token).Dispose();
                break;
            case 2:
                // Left at its first token, or refused: that is an end too.
                using (var call = server.Client.Generate(request, cancellationToken: token)) await call.ResponseHeadersAsync;
                break;
            case 3:
                request.Limits.TimeBudget = Duration.FromTimeSpan(TimeSpan.FromMilliseconds(20));
                await Answer.OfAsync(server, request);
                break;
            case 4:
                await Answer.OfAsync(server, new GenerateRequest { Model = "none", Prompt = "p" });
                break;
            case 5:
                var answer = Answer.OfAsync(server, request);
                await server.Client.CancelGenerationAsync(new CancelGenerationRequest { RequestId = request.RequestId }, cancellationToken: token);
                await answer;
                break;
            case 6:
                await using (var crashing = await RawHttp2Connection.ConnectAsync(server.Address))
                {
                    await crashing.CallAsync(Paths.Generate, request.ToByteArray());
                    crashing.Abort();
                }

                break;
            default:
                await using (var slow = await RawHttp2Connection.ConnectAsync(server.Address, streamWindow: 64))
                {
                    // It takes the first message at most, and goes.
                    await (await slow.CallAsync(Paths.Generate, request.ToByteArray())).Headers;
                }

                break;
        }
    }
}
