using Google.Protobuf;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests;

/// <summary>The numbered stream rules of the contract, over real sockets.</summary>
public sealed class StreamRulesTests
{
    [Fact]
    public async Task Rule1_FirstMessage_CarriesFirstTokenAndStarted()
    {
        var backend = ScriptedBackend.Of(
            BackendEvent.Opened(new BackendOpening { InputTokens = 3, Seed = 9, Model = "m-1", TokenCountSource = UsageSource.Counted }),
            BackendEvent.Alive,
            BackendEvent.TextDelta("", tokenCount: 0),
            BackendEvent.TextDelta("Hello"),
            BackendEvent.Finished(new BackendEnding(FinishReason.Stop)));
        await using var server = await LlmServer.StartAsync(backend);

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p", RequestId = "r-1" });

        var first = answer.Chunks[0];
        first.Text.ShouldBe("Hello");
        first.TokenCount.ShouldBe(1u);
        first.Started.ShouldBe(new Started
        {
            RequestId = "r-1", Model = "scripted", Backend = "scripted", InputTokens = 3, Seed = 9, BackendModel = "m-1",
        });
        answer.Chunks.Skip(1).ShouldAllBe(chunk => chunk.Started == null);
    }

    [Fact]
    public async Task Rule1_NothingSentBeforeFirstToken_NotEvenHeaders()
    {
        var firstToken = new TaskCompletionSource();
        var backend = new ScriptedBackend((_, token) => PlayAfter(firstToken.Task, token));
        await using var server = await LlmServer.StartAsync(backend);
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        var stream = await connection.CallAsync(Paths.Generate, new GenerateRequest { Prompt = "p" }.ToByteArray());
        await backend.NextRunAsync();

        // Another call goes through meanwhile, so there was time for headers to come.
        var other = await connection.CallAsync(Paths.ListModels, []);
        await other.Trailers;
        stream.Headers.IsCompleted.ShouldBeFalse();

        firstToken.SetResult();
        TokenChunk.Parser.ParseFrom(await stream.NextAsync()).Text.ShouldBe("late");
        (await stream.Headers).ShouldContain(field => field.Name == "request-id");
    }

    [Fact]
    public async Task Rule1_RejectionBeforeFirstToken_IsTrailersOnlyWithOneRequestId()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("x"));
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);

        var stream = await connection.CallAsync(Paths.Generate, new GenerateRequest { RequestId = "mine" }.ToByteArray());
        var trailers = await stream.Trailers;

        stream.IsTrailersOnly.ShouldBeTrue();
        trailers.ShouldContain(("grpc-status", "3"));
        trailers.Count(field => field.Name == "request-id").ShouldBe(1);
        trailers.ShouldContain(("request-id", "mine"));
        trailers.ShouldContain(("finish-reason", "error"));
    }

    [Fact]
    public async Task Rule1_AnswerWithoutToken_IsOneMessageWithStartedAndFinish()
    {
        await using var server = await LlmServer.StartAsync(
            ScriptedBackend.Of(BackendEvent.Finished(new BackendEnding(FinishReason.ContentFilter) { RawReason = "blocked" })));

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        var only = answer.Chunks.ShouldHaveSingleItem();
        only.Started.ShouldNotBeNull();
        only.TokenCount.ShouldBe(0u);
        only.DeltaCase.ShouldBe(TokenChunk.DeltaOneofCase.None);
        only.Finish.Reason.ShouldBe(FinishReason.ContentFilter);
        only.Finish.BackendFinishReason.ShouldBe("blocked");
        answer.Trailer("finish-reason").ShouldBe("content_filter");
    }

    [Fact]
    public async Task Rule1_NeitherTokenNorFinish_IsUpstreamUnavailable()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Of());

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        answer.Chunks.ShouldBeEmpty();
        answer.Status.StatusCode.ShouldBe(StatusCode.Unavailable);
        answer.Reason.ShouldBe("UPSTREAM_UNAVAILABLE");
        answer.Trailer("grpc-retry-pushback-ms").ShouldBe("1000");
    }

    [Fact]
    public async Task Rule1_Progress_CommitsAtOnceAndComesBeforeStarted()
    {
        var firstToken = new TaskCompletionSource();
        var backend = new ScriptedBackend((_, token) => PlayQueuedThenText(firstToken.Task, token));
        await using var server = await LlmServer.StartAsync(backend);
        using var call = server.Client.Generate(
            new GenerateRequest { Prompt = "p", Output = new OutputOptions { Progress = true } },
            cancellationToken: TestContext.Current.CancellationToken);

        var phases = new List<Progress>();
        var chunks = new List<TokenChunk>();
        while (await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken))
        {
            var chunk = call.ResponseStream.Current;
            chunks.Add(chunk);
            if (chunk.Progress is null) continue;
            phases.Add(chunk.Progress);
            chunk.Started.ShouldBeNull();
            chunk.TokenCount.ShouldBe(0u);
            if (chunk.Progress.Phase == ProgressPhase.Queued) firstToken.TrySetResult();
        }

        phases.ShouldContain(progress => progress.Phase == ProgressPhase.Queued && progress.QueuePosition == 4);
        chunks.Select(chunk => chunk.Sequence).ShouldBe(Enumerable.Range(1, chunks.Count).Select(n => (ulong)n));
        chunks.First(chunk => chunk.Progress is null).Started.ShouldNotBeNull();
        chunks[^1].Finish.Reason.ShouldBe(FinishReason.Stop);
    }

    [Fact]
    public async Task Rule2_SurrogatePairSplitAcrossEvents_ComesOutWhole()
    {
        // Not a theory: an attribute cannot hold half a surrogate pair.
        (string First, string Second, string Expected)[] cases =
        [
            ("\ud83d", "\ude00", "😀"), ("a\ud83d", "\ude00b", "a😀b"), ("x\ud83d", "y", "x\uFFFDy"),
            ("tail\ud83d", "", "tail\uFFFD"),
        ];
        foreach (var (first, second, expected) in cases)
        {
            await using var server = await LlmServer.StartAsync(ScriptedBackend.Text(first, second));

            var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

            answer.Text.ShouldBe(expected);
            answer.Chunks.Sum(chunk => chunk.TokenCount).ShouldBe(2);
        }
    }

    [Fact]
    public async Task Rule3_Success_EndsWithExactlyOneFinish()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a", "b", "c"));

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        answer.Status.StatusCode.ShouldBe(StatusCode.OK);
        answer.Chunks.Count(chunk => chunk.Finish is not null).ShouldBe(1);
        answer.Chunks[^1].Finish.ShouldNotBeNull();
    }

    [Fact]
    public async Task Rule3_TruncationAfterTokens_IsNeverSuccess()
    {
        await using var server = await LlmServer.StartAsync(
            ScriptedBackend.Of(BackendEvent.TextDelta("some"), BackendEvent.TextDelta("thing")));

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        answer.Text.ShouldBe("something");
        answer.Status.StatusCode.ShouldBe(StatusCode.Aborted);
        answer.Reason.ShouldBe("UPSTREAM_TRUNCATED");
        answer.ErrorMetadata["last_sequence"].ShouldBe("2");
        answer.ErrorMetadata["streamed_tokens"].ShouldBe("2");
        answer.ErrorMetadata["retry_safe"].ShouldBe("false");
        answer.Trailer("grpc-retry-pushback-ms").ShouldBe("-1");
        answer.Chunks.ShouldAllBe(chunk => chunk.Finish == null);
    }

    [Fact]
    public async Task Rule3_DeltaIsNotHeldBackForTheFinish()
    {
        var received = new TaskCompletionSource();
        var backend = new ScriptedBackend((_, token) => PlayFinishAfter(received.Task, token));
        await using var server = await LlmServer.StartAsync(backend);
        using var call = server.Client.Generate(
            new GenerateRequest { Prompt = "p" }, cancellationToken: TestContext.Current.CancellationToken);

        (await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken)).ShouldBeTrue();
        call.ResponseStream.Current.Text.ShouldBe("only");
        received.SetResult();
        (await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken)).ShouldBeTrue();
        call.ResponseStream.Current.Finish.Reason.ShouldBe(FinishReason.Stop);
        (await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken)).ShouldBeFalse();
    }

    [Fact]
    public async Task Rule4_Sequence_IsDenseFromOne()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text([.. Enumerable.Repeat("w ", 300)]));

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        answer.Chunks.Select(chunk => chunk.Sequence).ShouldBe(Enumerable.Range(1, answer.Chunks.Count).Select(n => (ulong)n));
        answer.Chunks.Count(chunk => chunk.Started is not null).ShouldBe(1);
    }

    [Fact]
    public async Task Rule5_EveryTokenIsCountedOnceWithItsGap()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Of(
            BackendEvent.TextDelta("one"),
            BackendEvent.TextDelta("two three", tokenCount: 2),
            BackendEvent.TextDelta("", tokenCount: 1),
            BackendEvent.TextDelta("four"),
            BackendEvent.TextDelta("", tokenCount: 1),
            BackendEvent.Finished(new BackendEnding(FinishReason.Stop))));

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        answer.Chunks.ShouldAllBe(chunk => chunk.TokenCount == chunk.TokenGapsUs.Count);
        answer.Chunks.Sum(chunk => chunk.TokenCount).ShouldBe(6);
        answer.Chunks[1].TokenGapsUs[1].ShouldBe(0u);
        answer.Finish.StreamedTokens.ShouldBe(6u);
        answer.Chunks[0].TokenGapsUs[0].ShouldBeGreaterThan(0u);
        var arrivals = answer.Chunks.Sum(chunk => chunk.TokenGapsUs.Sum(gap => (long)gap));
        arrivals.ShouldBeLessThanOrEqualTo((long)answer.Finish.Timing.TotalUs);
    }

    [Fact]
    public async Task Rule6_FinishUsage_IsTheBackendsAndTpotRestsOnIt()
    {
        var usage = new Usage
        {
            InputTokens = 30, CachedInputTokens = 20, OutputTokens = 12, ReasoningTokens = 8, Source = UsageSource.Reported,
        };
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Of(
            BackendEvent.TextDelta("a"), BackendEvent.TextDelta("b"),
            BackendEvent.Finished(new BackendEnding(FinishReason.Stop) { Usage = usage })));

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        answer.Finish.Usage.ShouldBe(usage);
        answer.Finish.Timing.TpotTokens.ShouldBe(4u);
        answer.Summary.Usage.ShouldBe(usage);
        answer.Summary.Timing.ShouldBe(answer.Finish.Timing);
    }

    [Fact]
    public async Task Rule7_ToolCallFragments_AreOneDocumentAndDoneIsLast()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Of(
            BackendEvent.ToolCallPiece(new ToolCallDelta { Index = 0, Id = "call_1", Name = "add" }),
            BackendEvent.ToolCallPiece(new ToolCallDelta { Index = 0, ArgumentsFragment = "{\"a\":" }),
            BackendEvent.ToolCallPiece(new ToolCallDelta { Index = 0, ArgumentsFragment = "1}", Done = true }),
            BackendEvent.Finished(new BackendEnding(FinishReason.ToolCalls))));

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        var pieces = answer.Chunks.Where(chunk => chunk.ToolCall is not null).Select(chunk => chunk.ToolCall).ToList();
        string.Concat(pieces.Select(piece => piece.ArgumentsFragment)).ShouldBe("{\"a\":1}");
        pieces[0].Id.ShouldBe("call_1");
        pieces.Skip(1).ShouldAllBe(piece => piece.Id == "" && piece.Name == "");
        pieces.Count(piece => piece.Done).ShouldBe(1);
        pieces[^1].Done.ShouldBeTrue();
    }

    [Fact]
    public async Task Rule8_SignatureOnlyPart_NeverComesBeforeTheFirstToken()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Of(
            BackendEvent.PartSignature(ByteString.CopyFromUtf8("redacted"), 0),
            BackendEvent.TextDelta("hi", partIndex: 1),
            BackendEvent.PartSignature(ByteString.CopyFromUtf8("signed"), 1),
            BackendEvent.Finished(new BackendEnding(FinishReason.Stop))));

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        answer.Chunks[0].Text.ShouldBe("hi");
        answer.Chunks[0].PartIndex.ShouldBe(1u);
        var signatures = answer.Chunks.Where(chunk => !chunk.Signature.IsEmpty)
            .Select(chunk => (chunk.Signature.ToStringUtf8(), chunk.PartIndex)).ToList();
        signatures.ShouldBe([("redacted", 0u), ("signed", 1u)]);
    }

    [Fact]
    public async Task Rule9_UnknownProviderReason_IsOtherWithItsWord()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Of(
            BackendEvent.TextDelta("x"),
            BackendEvent.Finished(new BackendEnding(FinishReason.Other) { RawReason = "moon_phase" })));

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        answer.Finish.Reason.ShouldBe(FinishReason.Other);
        answer.Finish.BackendFinishReason.ShouldBe("moon_phase");
        answer.Trailer("finish-reason").ShouldBe("other");
    }

    [Fact]
    public async Task Rule10_HugeEvent_IsSplitAtCodePointsBelowOneMebibyte()
    {
        var huge = string.Concat(Enumerable.Repeat("x😀", 1_000_000));
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text(huge));

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        answer.Text.ShouldBe(huge);
        answer.Chunks.Count.ShouldBeGreaterThan(4);
        answer.Chunks.ShouldAllBe(chunk => chunk.CalculateSize() <= 1 << 20);
        answer.Chunks.ShouldAllBe(chunk => !chunk.Text.Contains('\uFFFD'));
        answer.Chunks.Sum(chunk => chunk.TokenCount).ShouldBe(1);
    }

    private static async IAsyncEnumerable<BackendEvent> PlayAfter(
        Task signal, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken token)
    {
        await signal.WaitAsync(token);
        yield return BackendEvent.TextDelta("late");
        yield return BackendEvent.Finished(new BackendEnding(FinishReason.Stop));
    }

    private static async IAsyncEnumerable<BackendEvent> PlayFinishAfter(
        Task signal, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken token)
    {
        yield return BackendEvent.TextDelta("only");
        await signal.WaitAsync(token);
        yield return BackendEvent.Finished(new BackendEnding(FinishReason.Stop));
    }

    private static async IAsyncEnumerable<BackendEvent> PlayQueuedThenText(
        Task signal, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken token)
    {
        yield return BackendEvent.Queued(4);
        await signal.WaitAsync(token);
        yield return BackendEvent.TextDelta("served");
        yield return BackendEvent.Finished(new BackendEnding(FinishReason.Stop));
    }
}
