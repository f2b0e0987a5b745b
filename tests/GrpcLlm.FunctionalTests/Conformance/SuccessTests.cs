using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Conformance;

/// <summary>
/// Answers that succeed, as they are on the wire. Cases of gRPC's interop test descriptions ("interop") and of connect's
/// conformance suite ("connect"); README.md beside this file lists where each case is held.
/// </summary>
public sealed class SuccessTests
{
    /// <summary>connect: Basic / server-stream/success; gRPC over HTTP/2: Response-Headers, Trailers.</summary>
    [Fact]
    public async Task Success_IsHeadersThenMessagesThenTrailers_EachFieldInItsPlace()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a", "b"));

        var answer = await RawCall.OfAsync(server);

        answer.HttpStatus.ShouldBe(200);
        answer.Header("content-type").ShouldBe("application/grpc");
        answer.Headers.Select(static field => field.Name).ShouldBe([":status", "content-type", "date", "request-id"], ignoreOrder: true);
        answer.IsTrailersOnly.ShouldBeFalse();
        answer.ResetCode.ShouldBeNull();
        answer.Text.ShouldBe("ab");
        answer.Messages.ShouldAllBe(static message => message.Flags == 0);
        answer.Status.ShouldBe(StatusCode.OK);
        answer.Trailers.Select(static field => field.Name).ShouldBe(
            ["grpc-status", "finish-reason", "request-id", "generation-summary-bin", "endpoint-load-metrics-bin"], ignoreOrder: true);
        answer.Trailer("request-id").ShouldBe(answer.Header("request-id"));
        answer.TrailerBytes.ShouldBeLessThan(4096);
    }

    /// <summary>
    /// connect: Basic / server-stream/no-responses; interop: empty_stream. Rule 1 of the contract makes it one message, so
    /// that success always carries a finish.
    /// </summary>
    [Fact]
    public async Task NoResponses_IsOneMessageWithTheFinish()
    {
        await using var server = await LlmServer.StartAsync(
            ScriptedBackend.Of(BackendEvent.Finished(new BackendEnding(FinishReason.Stop))));

        var answer = await RawCall.OfAsync(server);

        answer.Status.ShouldBe(StatusCode.OK);
        answer.IsTrailersOnly.ShouldBeFalse();
        answer.Chunks.ShouldHaveSingleItem().Finish.Reason.ShouldBe(FinishReason.Stop);
    }

    /// <summary>interop: server_streaming, whose payloads are these sizes; connect: Server Message Size.</summary>
    [Fact]
    public async Task LargePayloads_ArriveWholeAndInOrder()
    {
        int[] sizes = [31_415, 9, 2_653, 58_979, 900_000];
        string[] texts = [.. sizes.Select(static (size, index) => new string((char)('a' + index), size))];
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text(texts));
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address, streamWindow: 1 << 24, connectionWindow: 1 << 24);

        var stream = await connection.CallAsync(Paths.Generate, RawCall.Prompt);
        var answer = await stream.Ended;

        answer.Status.ShouldBe(StatusCode.OK);
        answer.Text.ShouldBe(string.Concat(texts));
        answer.Messages.ShouldAllBe(static message => message.Bytes.Length <= 1 << 20);
    }

    /// <summary>connect: Streaming Delivery / server-stream: a message is sent when it is there, not with the next.</summary>
    [Fact]
    public async Task EachMessage_IsDeliveredBeforeTheNextIsMade()
    {
        var taken = System.Threading.Channels.Channel.CreateUnbounded<bool>();
        var backend = new ScriptedBackend((_, token) => PlayAfterEach(taken.Reader, token));
        await using var server = await LlmServer.StartAsync(backend);
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        var stream = await connection.CallAsync(Paths.Generate, RawCall.Prompt);

        for (var message = 1; message <= 3; message++)
        {
            TokenChunk.Parser.ParseFrom(await stream.NextAsync()).Text.ShouldBe($"{message}");
            taken.Writer.TryWrite(true);
        }

        (await stream.Ended).Status.ShouldBe(StatusCode.OK);
    }

    /// <summary>interop: rpc_soak's shape in small: calls one after another on one connection leave nothing behind.</summary>
    [Fact]
    public async Task ManyCallsOnOneConnection_AllSucceed()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);

        for (var call = 0; call < 200; call++)
            (await (await connection.CallAsync(Paths.Generate, RawCall.Prompt)).Ended).Status.ShouldBe(StatusCode.OK);

        await Eventually.IsAsync(() => server.Metrics.Active == 0);
        server.Metrics.AllFinished.ShouldBe(200);
    }

    private static async IAsyncEnumerable<BackendEvent> PlayAfterEach(
        System.Threading.Channels.ChannelReader<bool> taken,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken token)
    {
        for (var message = 1; message <= 3; message++)
        {
            yield return BackendEvent.TextDelta($"{message}");
            await taken.ReadAsync(token);
        }

        yield return BackendEvent.Finished(new BackendEnding(FinishReason.Stop));
    }
}
