using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Conformance;

/// <summary>
/// <c>grpc-timeout</c>: connect: Deadline Propagation / server-stream/success, Timeouts / server-stream; interop:
/// timeout_on_sleeping_server; gRPC over HTTP/2: Timeout. What happens at the end of the time, with tokens and without,
/// over a gRPC client: EndsTests.
/// </summary>
public sealed class DeadlineTests
{
    /// <summary>
    /// connect: Deadline Propagation; every unit. A ninth digit, which the protocol does not have,
    /// the framework reads; what is longer than 99,999,999 s it cuts to that.
    /// </summary>
    [Theory]
    [InlineData("2H", 7_200_000)]
    [InlineData("3M", 180_000)]
    [InlineData("600S", 600_000)]
    [InlineData("99999999m", 99_999_999)]
    [InlineData("90000000u", 90_000)]
    [InlineData("00000300S", 300_000)]
    [InlineData("100000000S", 99_999_999_000)]
    [InlineData("99999999H", 99_999_999_000)]
    public async Task Timeout_InEveryUnit_IsTheDeadlineOfTheCall(string timeout, long milliseconds)
    {
        var (server, probe) = await CallProbe.StartAsync(ScriptedBackend.Text("a"));
        await using var closing = server;
        var before = TimeProvider.System.GetUtcNow().UtcDateTime;

        var answer = await RawCall.OfAsync(server, ("grpc-timeout", timeout));

        var after = TimeProvider.System.GetUtcNow().UtcDateTime;
        answer.Status.ShouldBe(StatusCode.OK);
        probe.Deadline.ShouldNotBeNull();
        probe.Deadline.Value.ShouldBeInRange(
            before.AddMilliseconds(milliseconds - 1), after.AddMilliseconds(milliseconds + 1));
    }

    /// <summary>connect: Timeouts / server-stream; interop: timeout_on_sleeping_server: DEADLINE_EXCEEDED, Trailers-Only.</summary>
    [Theory]
    [InlineData("200m")]
    [InlineData("200000u")]
    [InlineData("99999999n")]
    public async Task SleepingServer_IsDeadlineExceededAndLeavesNothingBehind(string timeout)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Silent());

        var answer = await RawCall.OfAsync(server, ("grpc-timeout", timeout));

        answer.Status.ShouldBe(StatusCode.DeadlineExceeded);
        answer.IsTrailersOnly.ShouldBeTrue();
        await Eventually.IsAsync(() => server.Metrics.Active == 0);
    }

    /// <summary>interop: timeout_on_sleeping_server, as the contract types it: the call ends a margin early, with its trailers.</summary>
    [Fact]
    public async Task SleepingServer_WithRoomForTheMargin_IsTypedDeadlineAndStopsTheBackend()
    {
        var backend = ScriptedBackend.Silent();
        await using var server = await LlmServer.StartAsync(backend, "GrpcLlm:Streaming:DeadlineMargin=00:00:00.3");

        var answer = await RawCall.OfAsync(server, ("grpc-timeout", "3S"));

        answer.Status.ShouldBe(StatusCode.DeadlineExceeded);
        answer.IsTrailersOnly.ShouldBeTrue();
        answer.Reason.ShouldBe("DEADLINE");
        answer.Trailer("generation-summary-bin").ShouldNotBeNull();
        await (await backend.NextRunAsync()).Ended;
    }

    /// <summary>
    /// Time that is over before the call begins, as gRPC libraries send it: no backend hears of it, and it is still one
    /// call in the books.
    /// </summary>
    [Theory]
    [InlineData("1n")]
    [InlineData("99n")]
    [InlineData("00000000H")]
    [InlineData("0S")]
    [InlineData("0n")]
    public async Task TimeoutOfNothing_IsDeadlineExceeded(string timeout)
    {
        var played = false;
        await using var server = await LlmServer.StartAsync(new ScriptedBackend((_, _) =>
        {
            played = true;
            throw new BackendException(BackendFailure.Unavailable, "must not be asked");
        }));

        var answer = await RawCall.OfAsync(server, ("grpc-timeout", timeout));

        answer.Status.ShouldBe(StatusCode.DeadlineExceeded);
        answer.Reason.ShouldBe("DEADLINE");
        answer.IsTrailersOnly.ShouldBeTrue();
        played.ShouldBeFalse();
        (await server.Logs.NextUsageAsync()).GetProperty("error_reason").GetString().ShouldBe("DEADLINE");
    }

    /// <summary>
    /// gRPC over HTTP/2 does not say what a server does with a malformed timeout. grpc-dotnet ignores it, and so the call
    /// has no deadline; gRPC's C core and Go answer INTERNAL. Nothing of ours would know better what was meant.
    /// </summary>
    [Theory]
    [InlineData("")]
    [InlineData("S")]
    [InlineData("10")]
    [InlineData("10s")]
    [InlineData("10 S")]
    [InlineData("-10S")]
    [InlineData("1.5S")]
    [InlineData("0x10S")]
    [InlineData("999999999999999999999S")]
    public async Task MalformedTimeout_IsNoDeadline(string timeout)
    {
        var (server, probe) = await CallProbe.StartAsync(ScriptedBackend.Text("a"));
        await using var closing = server;

        var answer = await RawCall.OfAsync(server, ("grpc-timeout", timeout));

        answer.Status.ShouldBe(StatusCode.OK);
        probe.Deadline.ShouldBe(DateTime.MaxValue);
    }

    /// <summary>Time enough changes nothing: trailers come as ever.</summary>
    [Fact]
    public async Task CallWithinItsTime_HasAllTrailers()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Of(
            BackendEvent.TextDelta("a"), BackendEvent.Finished(new BackendEnding(FinishReason.Stop))));

        var answer = await RawCall.OfAsync(server, ("grpc-timeout", "60S"));

        answer.Trailer("finish-reason").ShouldBe("stop");
        answer.Trailer("generation-summary-bin").ShouldNotBeNull();
    }
}
