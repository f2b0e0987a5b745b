using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>
/// What reaches the upstream's socket, in every phase of a call, and what the timeouts make of silence. The kind of
/// backend is the OpenAI-compatible one; the code under test is that of all kinds.
/// </summary>
public sealed class UpstreamPhasesTests
{
    private static readonly GenerateRequest Prompt = new() { Prompt = "p", RequestId = "phased" };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>How far the upstream lets a call come.</summary>
    public enum Phase
    {
        Headers,
        FirstToken,
        FirstTokenWithComments,
        MidStream,
    }

    /// <summary>Who ends the call.</summary>
    public enum Ender
    {
        ClientCancel,
        ConnectionLoss,
        CancelGeneration,
        TimeBudget,
    }

    public static TheoryData<Phase, Ender> EveryWay()
    {
        var ways = new TheoryData<Phase, Ender>();
        foreach (var phase in System.Enum.GetValues<Phase>())
            foreach (var ender in System.Enum.GetValues<Ender>())
                ways.Add(phase, ender);
        return ways;
    }

    [Theory]
    [MemberData(nameof(EveryWay))]
    public async Task CallEnds_InAnyPhase_UpstreamSocketIsClosed(Phase phase, Ender ender)
    {
        await using var upstream = TestUpstream.Start(call => PlayAsync(call, phase));
        await using var server = await StartAsync(upstream);
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        var request = Prompt.Clone();
        if (ender == Ender.TimeBudget)
            request.Limits = new GenerationLimits { TimeBudget = Duration.FromTimeSpan(TimeSpan.FromSeconds(1)) };

        var stream = await connection.CallAsync(Paths.Generate, request.ToByteArray());
        var received = await upstream.NextCallAsync();
        if (phase == Phase.MidStream) await stream.NextAsync();
        switch (ender)
        {
            case Ender.ClientCancel:
                await stream.ResetAsync();
                break;
            case Ender.ConnectionLoss:
                connection.Abort();
                break;
            case Ender.CancelGeneration:
                await server.Client.CancelGenerationAsync(
                    new CancelGenerationRequest { RequestId = "phased" }, cancellationToken: Cancelled);
                break;
        }

        await received.Closed.WaitAsync(Cancelled);
        await Eventually.IsAsync(() => server.Metrics.Active == 0);
        server.Logs.Errors.ShouldBeEmpty();
    }

    [Fact]
    public async Task ClientCancels_DuringTheTlsHandshake_UpstreamSocketIsClosed()
    {
        await using var listener = new SilentListener();
        await using var server = await StartAsync($"https://127.0.0.1:{listener.Port}");
        var call = server.Client.Generate(Prompt, cancellationToken: Cancelled);
        await listener.Accepted;

        call.Dispose();

        await listener.Closed.WaitAsync(Cancelled);
        await Eventually.IsAsync(() => server.Metrics.Active == 0);
    }

    [Fact]
    public async Task ClientDoesNotRead_AndCancels_UpstreamSocketIsClosed()
    {
        await using var upstream = TestUpstream.Start(PlayFloodAsync);
        await using var server = await StartAsync(upstream);
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address, streamWindow: 1024);
        var stream = await connection.CallAsync(Paths.Generate, Prompt.ToByteArray());
        var received = await upstream.NextCallAsync();
        await Eventually.IsAsync(() => server.Metrics.ActiveIn("stalled") == 1);

        await stream.ResetAsync();

        await received.Closed.WaitAsync(Cancelled);
    }

    [Fact]
    public async Task TwoHundredStreams_AgainstASilentUpstream_AllSocketsCloseWhenCancelled()
    {
        const int streams = 200;
        await using var upstream = TestUpstream.Start(call => PlayAsync(call, Phase.FirstToken));
        await using var server = await StartAsync(upstream);
        var calls = Enumerable.Range(0, streams)
            .Select(_ => server.Client.Generate(new GenerateRequest { Prompt = "p" }, cancellationToken: Cancelled)).ToList();
        var received = new List<UpstreamCall>();
        while (received.Count < streams) received.Add(await upstream.NextCallAsync());

        foreach (var call in calls) call.Dispose();

        await Task.WhenAll(received.Select(one => one.Closed)).WaitAsync(Cancelled);
        await Eventually.IsAsync(() => server.Metrics.Active == 0);
        server.Metrics.Finished("client_cancelled", "client").ShouldBe(streams);
    }

    [Fact]
    public async Task Connect_TakesTooLong_IsUnavailable()
    {
        await using var listener = new SilentListener();
        await using var server = await StartAsync(
            $"https://127.0.0.1:{listener.Port}", "GrpcLlm:Backends:up:ConnectTimeout=00:00:00.3");

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe("UPSTREAM_UNAVAILABLE");
        answer.Status.StatusCode.ShouldBe(StatusCode.Unavailable);
    }

    [Fact]
    public async Task Connect_IsRefused_IsUnavailable()
    {
        int port;
        await using (var listener = new SilentListener()) port = listener.Port;
        await using var server = await StartAsync($"http://127.0.0.1:{port}");

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe("UPSTREAM_UNAVAILABLE");
        answer.ErrorMetadata["retry_safe"].ShouldBe("true");
    }

    [Theory]
    [InlineData(Phase.Headers)]
    [InlineData(Phase.FirstToken)]
    [InlineData(Phase.FirstTokenWithComments)]
    public async Task NoTokenInTime_IsFirstTokenTimeout_AndCommentsAreNoToken(Phase phase)
    {
        await using var upstream = TestUpstream.Start(call => PlayAsync(call, phase));
        await using var server = await StartAsync(upstream, "GrpcLlm:Backends:up:FirstTokenTimeout=00:00:00.4");

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe("FIRST_TOKEN_TIMEOUT");
        answer.Status.StatusCode.ShouldBe(StatusCode.Unavailable);
        await (await upstream.NextCallAsync()).Closed.WaitAsync(Cancelled);
    }

    [Fact]
    public async Task SilenceMidStream_IsStalled_AndSaysWhatWasDelivered()
    {
        await using var upstream = TestUpstream.Start(call => PlayAsync(call, Phase.MidStream));
        await using var server = await StartAsync(upstream, "GrpcLlm:Backends:up:IdleTimeout=00:00:00.4");

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("one");
        answer.Reason.ShouldBe("UPSTREAM_STALLED");
        answer.Status.StatusCode.ShouldBe(StatusCode.Aborted);
        answer.ErrorMetadata["streamed_tokens"].ShouldBe("1");
        await (await upstream.NextCallAsync()).Closed.WaitAsync(Cancelled);
    }

    [Fact]
    public async Task CommentsMidStream_AreLife_SoNothingStalls()
    {
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(Delta("one"));
            for (var n = 0; n < 12; n++)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, Cancelled);
                await call.WriteAsync(": keep-alive\n\n");
            }

            await call.WriteAsync(Delta(" two") + End);
            await call.EndAsync();
        });
        await using var server = await StartAsync(upstream, "GrpcLlm:Backends:up:IdleTimeout=00:00:00.8");

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("one two");
        answer.Finish.Reason.ShouldBe(FinishReason.Stop);
    }

    [Fact]
    public async Task SlowClient_IsNoStalledUpstream()
    {
        await using var upstream = TestUpstream.Start(PlayFloodAsync);
        await using var server = await StartAsync(upstream, "GrpcLlm:Backends:up:IdleTimeout=00:00:00.3");
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address, streamWindow: 1024, connectionWindow: 1 << 28);
        var stream = await connection.CallAsync(Paths.Generate, Prompt.ToByteArray());
        await Eventually.IsAsync(() => server.Metrics.ActiveIn("stalled") == 1);

        // Longer than the upstream may be silent; it is not, it waits for us.
        await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, Cancelled);
        await stream.GrantAsync(1 << 27);
        TokenChunk? last = null;
        await foreach (var message in stream.Messages) last = TokenChunk.Parser.ParseFrom(message);

        last!.Finish.Reason.ShouldBe(FinishReason.Stop);
        last.Finish.StreamedTokens.ShouldBe((uint)FloodTokens);
        last.Finish.Timing.ClientStallUs.ShouldBeGreaterThan(500_000u);
    }

    [Fact]
    public async Task EveryEvent_ReachesTheClientBeforeTheNextIsAwaited()
    {
        const int events = 50;
        var seen = new SemaphoreSlim(0);
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            for (var n = 0; n < events; n++)
            {
                await call.WriteAsync(Delta($"{n} "));

                // Would wait for ever if the service held an event back for the one behind it.
                await seen.WaitAsync(Cancelled);
            }

            await call.WriteAsync(End);
            await call.EndAsync();
        });
        await using var server = await StartAsync(upstream);
        using var stream = server.Client.Generate(Prompt, cancellationToken: Cancelled);

        for (var n = 0; n < events; n++)
        {
            (await stream.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
            stream.ResponseStream.Current.Text.ShouldBe($"{n} ");
            seen.Release();
        }

        (await Answer.OfAsync(stream)).Finish.Reason.ShouldBe(FinishReason.Stop);
    }

    [Fact]
    public async Task FinishedAnswers_UseTheirConnectionAgain()
    {
        await using var upstream = TestUpstream.Of(Delta("hi") + End);
        await using var server = await StartAsync(upstream);

        for (var n = 0; n < 5; n++) (await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" })).Text.ShouldBe("hi");

        upstream.Connections.ShouldBe(1);
    }

    [Fact]
    public async Task StopSequence_ClosesTheUpstream()
    {
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(Delta("say st") + Delta("op now"));
            await call.SilenceAsync();
        });
        await using var server = await StartAsync(upstream);

        var answer = await Answer.OfAsync(server, new GenerateRequest
        {
            Prompt = "p", Limits = new GenerationLimits { StopSequences = { "stop" } },
        });

        answer.Text.ShouldBe("say ");
        answer.Finish.Reason.ShouldBe(FinishReason.StopSequence);
        await (await upstream.NextCallAsync()).Closed.WaitAsync(Cancelled);
    }

    [Theory]
    [InlineData(401, "UPSTREAM_MISCONFIGURED")]
    [InlineData(400, "UPSTREAM_REJECTED")]
    [InlineData(503, "UPSTREAM_UNAVAILABLE")]
    public async Task UpstreamQuotesTheKey_ItAppearsNowhere(int status, string reason)
    {
        const string key = "sk-very-secret-4711-abcdefgh";
        await using var upstream = TestUpstream.Of(
            $$$"""{"error":{"message":"Incorrect API key provided: {{{key}}}. Authorization: Bearer {{{key}}}"}}""", "application/json", status);
        await using var server = await StartAsync(upstream, $"GrpcLlm:Backends:up:ApiKeys:0={key}");

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Reason.ShouldBe(reason);
        (await upstream.NextCallAsync()).Headers["authorization"].ShouldBe($"Bearer {key}");
        answer.Status.Detail.ShouldNotContain("secret");
        answer.Details.ToString().ShouldNotContain("secret");
        server.Logs.Lines.ShouldAllBe(line => !line.Contains("secret-4711"));
    }

    internal static string Delta(string text) =>
        $$"""data: {"id":"r1","model":"m-1","choices":[{"index":0,"delta":{"content":{{System.Text.Json.JsonSerializer.Serialize(text)}}},"finish_reason":null}]}""" + "\n\n";

    internal static string End =>
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

    private const int FloodTokens = 40_000;

    private static async Task PlayFloodAsync(UpstreamCall call)
    {
        await call.HeadAsync();
        for (var n = 0; n < FloodTokens; n++) await call.WriteAsync(Delta("word "));
        await call.WriteAsync(End);
        await call.EndAsync();
    }

    private static async Task PlayAsync(UpstreamCall call, Phase phase)
    {
        if (phase != Phase.Headers) await call.HeadAsync();
        if (phase == Phase.MidStream) await call.WriteAsync(Delta("one"));
        while (phase == Phase.FirstTokenWithComments && !call.Closed.IsCompleted)
        {
            await call.WriteAsync(": PROCESSING\n\n");
            await Task.WhenAny(call.Closed, Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Cancelled));
        }

        await call.SilenceAsync();
    }

    private static Task<LlmServer> StartAsync(TestUpstream upstream, params string[] settings) =>
        StartAsync(upstream.Address.ToString(), settings);

    private static Task<LlmServer> StartAsync(string address, params string[] settings) => LlmServer.StartAsync(
    [
        "GrpcLlm:Backends:up:Kind=openai", $"GrpcLlm:Backends:up:BaseUrl={address}",
        "GrpcLlm:Models:m:Routes:0:Backend=up", "GrpcLlm:DefaultModel=m", .. settings,
    ]);
}
