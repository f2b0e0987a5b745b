using Google.Protobuf;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Streaming;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests;

/// <summary>
/// What happens when a client does not read: a raw client with a small stream window inside a large connection window.
/// </summary>
public sealed class BackpressureTests
{
    private const int StreamWindow = 1024;

    private static readonly byte[] Request = new GenerateRequest { Prompt = "p" }.ToByteArray();

    [Fact]
    public async Task StalledReader_PausesTheBackend_AndNothingIsLostAfterwards()
    {
        // More than the transport can hold for a stream (64 KiB of buffer), so the backend must be stopped in between.
        const int tokens = 20_000;
        var backend = ScriptedBackend.Of(
            [.. Enumerable.Range(0, tokens).Select(static n => BackendEvent.TextDelta($"{n} ")), BackendEvent.Finished(new BackendEnding(FinishReason.Stop))]);
        await using var server = await LlmServer.StartAsync(backend);
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address, StreamWindow);
        var stream = await connection.CallAsync(Paths.Generate, Request);
        var run = await backend.NextRunAsync();

        await Eventually.IsAsync(() => server.Metrics.ActiveIn("stalled") == 1);
        var pausedAt = await StableAsync(() => run.Events);
        pausedAt.ShouldBeLessThan(tokens / 2);
        stream.ReceivedBytes.ShouldBeLessThanOrEqualTo(StreamWindow);

        await stream.GrantAsync(10_000_000);
        await connection.GrantAsync(0, 10_000_000);
        var chunks = new List<TokenChunk>();
        await foreach (var message in stream.Messages) chunks.Add(TokenChunk.Parser.ParseFrom(message));

        string.Concat(chunks.Select(chunk => chunk.Text)).ShouldBe(string.Concat(Enumerable.Range(0, tokens).Select(n => $"{n} ")));
        chunks.Select(chunk => chunk.Sequence).ShouldBe(Enumerable.Range(1, chunks.Count).Select(n => (ulong)n));
        chunks.Sum(chunk => chunk.TokenCount).ShouldBe(tokens);
        chunks.ShouldAllBe(chunk => chunk.TokenCount == chunk.TokenGapsUs.Count);
        chunks.ShouldAllBe(chunk => chunk.TokenCount <= ChunkQueue.MaxMergedTokens);
        chunks.ShouldContain(chunk => chunk.TokenCount > 1);
        chunks[^1].Finish.Timing.ClientStallUs.ShouldBeGreaterThan(0u);
    }

    [Fact]
    public async Task StalledReader_OthersOnTheSameConnectionAreUnaffected()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Endless());
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address, StreamWindow, 1 << 26);
        await connection.CallAsync(Paths.Generate, Request);
        await Eventually.IsAsync(() => server.Metrics.ActiveIn("stalled") == 1);

        var other = await connection.CallAsync(Paths.Generate, Request);
        await other.GrantAsync(1 << 24);
        for (ulong sequence = 1; sequence <= 1_000; sequence++)
            TokenChunk.Parser.ParseFrom(await other.NextAsync()).Sequence.ShouldBe(sequence);

        await other.ResetAsync();
        server.Metrics.ActiveIn("stalled").ShouldBeGreaterThanOrEqualTo(1);
    }

    [Fact]
    public async Task EmbeddedModel_PausesForAStalledReader()
    {
        await using var server = await LlmServer.StartAsync();
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address, 256);
        var request = new GenerateRequest
        {
            Prompt = "Once upon a time", Output = new OutputOptions { TopLogprobs = 20, TokenIds = true },
            Limits = new GenerationLimits { MinOutputTokens = 400, MaxOutputTokens = 400 },
        };

        // Twenty alternatives a token are about half a KiB, so 400 tokens exceed what the transport holds.
        var stream = await connection.CallAsync(Paths.Generate, request.ToByteArray());
        await Eventually.IsAsync(() => server.Metrics.ActiveIn("stalled") == 1);
        stream.ReceivedBytes.ShouldBeLessThanOrEqualTo(256);

        await connection.GrantAsync(0, 1 << 26);
        await stream.GrantAsync(1 << 26);
        var chunks = new List<TokenChunk>();
        await foreach (var message in stream.Messages) chunks.Add(TokenChunk.Parser.ParseFrom(message));

        chunks[^1].Finish.Usage.OutputTokens.ShouldBe(400u);
        chunks.Sum(chunk => chunk.Tokens.Count).ShouldBe(400);
        chunks[^1].Finish.Timing.ClientStallUs.ShouldBeGreaterThan(0u);
    }

    [Fact]
    public async Task StalledReader_BeyondTheTimeout_LosesItsStreamAndNoOther()
    {
        var backend = ScriptedBackend.Endless();
        await using var server = await LlmServer.StartAsync(backend, "GrpcLlm:Streaming:ClientStallTimeout=00:00:00.3");
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address, StreamWindow, 1 << 26);
        var stalled = await connection.CallAsync(Paths.Generate, Request);
        var stalledRun = await backend.NextRunAsync();
        var other = await connection.CallAsync(Paths.Generate, Request);
        await other.GrantAsync(1 << 24);

        (await stalled.Reset).ShouldBe(8u);
        await stalledRun.Ended;
        var usage = await server.Logs.NextUsageAsync();
        usage.GetProperty("error_reason").GetString().ShouldBe("CLIENT_STALLED");

        // Counted just behind the record.
        await Eventually.IsAsync(() => server.Metrics.Finished("client_stalled", "client") == 1);

        TokenChunk.Parser.ParseFrom(await other.NextAsync()).Sequence.ShouldBe(1u);
        connection.GoAwayCode.ShouldBeNull();
        await other.ResetAsync();
        server.Logs.Errors.ShouldBeEmpty();
    }

    [Fact]
    public async Task CancelGeneration_WhileTheClientDoesNotRead_StopsTheBackendAtOnce()
    {
        var backend = ScriptedBackend.Endless();
        await using var server = await LlmServer.StartAsync(backend);
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address, StreamWindow, 1 << 26);
        var request = new GenerateRequest { Prompt = "p", RequestId = "stuck" };
        var stream = await connection.CallAsync(Paths.Generate, request.ToByteArray());
        await Eventually.IsAsync(() => server.Metrics.ActiveIn("stalled") == 1);

        await server.Client.CancelGenerationAsync(
            new CancelGenerationRequest { RequestId = "stuck" }, cancellationToken: TestContext.Current.CancellationToken);

        await (await backend.NextRunAsync()).Ended;
        await stream.GrantAsync(1 << 24);
        TokenChunk? last = null;
        await foreach (var message in stream.Messages) last = TokenChunk.Parser.ParseFrom(message);
        last!.Finish.Reason.ShouldBe(FinishReason.Cancelled);
        (await stream.Trailers).ShouldContain(("finish-reason", "cancelled"));
    }

    [Fact]
    public async Task Coalescing_HoldsTokensForTheDelay_ButNeverTheFirst()
    {
        var gate = new TaskCompletionSource();
        var backend = new ScriptedBackend((_, token) => PlayPairs(gate.Task, token));
        await using var server = await LlmServer.StartAsync(backend);
        using var call = server.Client.Generate(
            new GenerateRequest
            {
                Prompt = "p",
                Output = new OutputOptions
                {
                    Coalescing = new Coalescing
                    {
                        MaxDelay = Google.Protobuf.WellKnownTypes.Duration.FromTimeSpan(TimeSpan.FromSeconds(1)), MaxTokens = 4,
                    },
                },
            }, cancellationToken: TestContext.Current.CancellationToken);

        await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken);
        call.ResponseStream.Current.Text.ShouldBe("0 ");
        gate.SetResult();
        var answer = await Answer.OfAsync(call);

        answer.Chunks[0].Text.ShouldBe("1 2 3 4 ");
        answer.Chunks[0].TokenGapsUs.Count.ShouldBe(4);
        answer.Chunks[1].Text.ShouldBe("5 6 ");
        answer.Chunks[1].Finish.Reason.ShouldBe(FinishReason.Stop);
    }

    private static async IAsyncEnumerable<BackendEvent> PlayPairs(
        Task gate, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken token)
    {
        yield return BackendEvent.TextDelta("0 ");
        await gate.WaitAsync(token);
        for (var n = 1; n <= 6; n++) yield return BackendEvent.TextDelta($"{n} ");
        yield return BackendEvent.Finished(new BackendEnding(FinishReason.Stop));
    }

    /// <summary>The value once it no longer changes while a hundred other calls pass.</summary>
    private static async Task<int> StableAsync(Func<int> value)
    {
        while (true)
        {
            var before = value();
            for (var i = 0; i < 100; i++) await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, TestContext.Current.CancellationToken);
            if (value() == before) return before;
        }
    }
}
