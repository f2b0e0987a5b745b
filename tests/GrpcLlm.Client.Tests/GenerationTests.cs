using Google.Protobuf;
using Grpc.Core;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests;

public sealed class GenerationTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Generation_EnumeratedTwice_IsRefused()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.Streams(Chunks.Answer());
        var generation = client.GenerateAsync(new GenerateRequest(), cancellationToken: Token);
        await generation.ToListAsync(Token);

        Should.Throw<InvalidOperationException>(() => generation.GetAsyncEnumerator(Token));
    }

    [Fact]
    public async Task Generation_Success_TellsWhatTrailersAndHeadersSay()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        var summary = new GenerationSummary { RequestId = Chunks.RequestId, Attempts = 2, Backend = "embedded" };
        server.Service.OnGenerate = async (_, stream, context) =>
        {
            await context.WriteResponseHeadersAsync(new Metadata { { "request-id", Chunks.RequestId } });
            foreach (var chunk in Chunks.Answer()) await stream.WriteAsync(chunk, context.CancellationToken);
            context.ResponseTrailers.Add("generation-summary-bin", summary.ToByteArray());
            context.ResponseTrailers.Add("finish-reason", "stop");
        };
        var generation = client.GenerateAsync(new GenerateRequest(), cancellationToken: Token);
        generation.Summary.ShouldBeNull();
        generation.ResponseHeaders.ShouldBeNull();

        await generation.ToListAsync(Token);

        generation.Summary.ShouldBe(summary);
        generation.ResponseHeaders!.GetValue("request-id").ShouldBe(Chunks.RequestId);
        generation.ResponseTrailers!.GetValue("finish-reason").ShouldBe("stop");
        generation.Started!.Model.ShouldBe("tiny");
        generation.Finish!.Reason.ShouldBe(FinishReason.Stop);
        generation.LastSequence.ShouldBe(3u);
        generation.StreamedTokens.ShouldBe(2u);
        generation.RequestId.ShouldBe(Chunks.RequestId);
        generation.Attempts.ShouldBe(1);
    }

    [Fact]
    public async Task Generation_LeftEarly_HasNoSummary()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.StreamsThenHangs(Chunks.First("Hello"));
        var generation = client.GenerateAsync(new GenerateRequest(), cancellationToken: Token);

        await foreach (var _ in generation) break;

        generation.Summary.ShouldBeNull();
        generation.Finish.ShouldBeNull();
        generation.StreamedTokens.ShouldBe(1u);
    }

    [Fact]
    public async Task Request_IsNotChangedByDefaults()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = new GrpcLlmClient(server.Address, new GrpcLlmClientOptions { DefaultModel = "tiny" });
        var models = new List<string>();
        server.Service.OnGenerate = (seen, stream, context) =>
        {
            models.Add(seen.Model);
            return stream.WriteAsync(Chunks.End(1), context.CancellationToken);
        };
        server.Service.OnCountTokens = seen => new CountTokensResponse { Model = seen.Model };
        var request = new GenerateRequest { Prompt = "hi" };

        await client.GenerateAnswerAsync(request, cancellationToken: Token);
        await client.GenerateAnswerAsync(new GenerateRequest { Model = "large" }, cancellationToken: Token);
        var count = await client.CountTokensAsync(new CountTokensRequest(), Token);

        models.ShouldBe(["tiny", "large"]);
        count.Model.ShouldBe("tiny");
        request.ShouldBe(new GenerateRequest { Prompt = "hi" });
    }

    [Theory]
    [InlineData(null, true)]
    [InlineData(1.0, true)]
    [InlineData(-0.001, false)]
    public async Task Timeout_OfTheCallOrTheClient_IsTheDeadline(double? milliseconds, bool expected)
    {
        // -1 ms is Timeout.InfiniteTimeSpan: no deadline; 1 stands for an hour.
        TimeSpan? timeout = milliseconds switch { null => null, > 0 => TimeSpan.FromHours(1), _ => Timeout.InfiniteTimeSpan };
        await using var server = await TestServer.StartAsync();
        await using var client = new GrpcLlmClient(server.Address, new GrpcLlmClientOptions { GenerateTimeout = TimeSpan.FromHours(2) });
        DateTime deadline = default;
        server.Service.OnGenerate = (_, stream, context) =>
        {
            deadline = context.Deadline;
            return stream.WriteAsync(Chunks.End(1), context.CancellationToken);
        };

        await client.GenerateAnswerAsync(new GenerateRequest(), new GenerateCallOptions { Timeout = timeout }, Token);

        (deadline != DateTime.MaxValue).ShouldBe(expected);
    }

    public static TheoryData<string, TokenChunk[]> Violations() => new()
    {
        { "gap", [Chunks.First("a"), Chunks.Text(3, "c")] },
        { "repeat", [Chunks.First("a"), Chunks.Text(1, "a")] },
        { "late start", [Chunks.Text(2, "b")] },
        { "zero", [Chunks.Text(0, "b")] },
        { "after finish", [.. Chunks.Answer(), Chunks.Text(4, "more")] },
        { "second finish", [.. Chunks.Answer(), Chunks.End(4)] },
    };

    [Theory]
    [MemberData(nameof(Violations))]
    public async Task Stream_ThatBreaksTheContract_IsTyped(string _, TokenChunk[] chunks)
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.StreamsThenHangs(chunks);

        var failure = await Should.ThrowAsync<GenerationException>(
            client.GenerateAnswerAsync(new GenerateRequest(), cancellationToken: Token));

        failure.Kind.ShouldBe(GenerationFailureKind.ProtocolViolation);
        failure.StatusCode.ShouldBe(StatusCode.DataLoss);
        failure.RetrySafe.ShouldBeFalse();
        failure.LastSequence.ShouldBe(chunks.Length > 1 ? chunks[^2].Sequence : 0);
        await server.Service.CancelSeen.WaitAsync(TimeSpan.FromSeconds(30), Token);
    }

    [Fact]
    public async Task Stream_Resumed_GoesOnFromTheNextSequence()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.Streams(Chunks.Text(8, "on"), Chunks.End(9));

        var answer = await client.GenerateAnswerAsync(
            new GenerateRequest { RequestId = "mine", ResumeAfter = 7 }, cancellationToken: Token);

        answer.Text.ShouldBe("on");
        answer.LastSequence.ShouldBe(9u);
    }

    [Fact]
    public async Task Answer_IsWhole()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        var summary = new GenerationSummary { Attempts = 3 };
        server.Service.OnGenerate = async (_, stream, context) =>
        {
            foreach (var chunk in Chunks.Answer()) await stream.WriteAsync(chunk, context.CancellationToken);
            context.ResponseTrailers.Add("generation-summary-bin", summary.ToByteArray());
        };

        var answer = await client.GenerateAnswerAsync(new GenerateRequest(), cancellationToken: Token);

        answer.Text.ShouldBe("Hello world");
        answer.FinishReason.ShouldBe(FinishReason.Stop);
        answer.Usage!.OutputTokens.ShouldBe(2u);
        answer.Timing!.TtftUs.ShouldBe(203_000u);
        answer.Summary.ShouldBe(summary);
        answer.RequestId.ShouldBe(Chunks.RequestId);
        answer.Model.ShouldBe("tiny");
        answer.Backend.ShouldBe("embedded");
    }

    [Fact]
    public async Task Answer_CutOff_IsInTheFailure()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.StreamsThenFails(
            ServerFailure.Of(StatusCode.Aborted, "UPSTREAM_STALLED", "silent", lastSequence: 2, streamedTokens: 5),
            Chunks.First("Hel", 2), Chunks.Text(2, "lo", 3));

        var failure = await Should.ThrowAsync<GenerationException>(
            client.GenerateTextAsync(new GenerateRequest(), cancellationToken: Token));

        failure.PartialAnswer!.Text.ShouldBe("Hello");
        failure.PartialAnswer.IsFinished.ShouldBeFalse();
        failure.PartialAnswer.FinishReason.ShouldBe(FinishReason.Unspecified);
        failure.Usage!.OutputTokens.ShouldBe(5u);
    }

    [Fact]
    public async Task Failure_WhileStreaming_HasNoPartialAnswer()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.Streams(Chunks.First("Hello"));

        var failure = await Should.ThrowAsync<GenerationException>(
            client.GenerateAsync(new GenerateRequest(), cancellationToken: Token).ToListAsync(Token).AsTask());

        failure.PartialAnswer.ShouldBeNull();
    }
}
