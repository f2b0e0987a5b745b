using Google.Protobuf;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Conformance;

/// <summary>
/// The request as length-prefixed messages: none, two, cut off, empty, split, at the size limit. connect: gRPC Unexpected
/// Requests, Server Message Size; gRPC over HTTP/2: Length-Prefixed-Message.
/// </summary>
public sealed class FramingTests
{
    private static readonly byte[] Message = RawHttp2Connection.Message(RawCall.Prompt);

    /// <summary>What is sent as the body of the request, in the words of the cases below.</summary>
    private static byte[] BodyOf(string shape) => shape switch
    {
        "none" => [],
        "two" => [.. Message, .. Message],
        "trailing byte" => [.. Message, 0],
        "trailing garbage" => [.. Message, .. "garbage"u8],
        "half a prefix" => Message[..3],
        "prefix alone" => Message[..5],
        "cut off" => Message[..^1],
        "reserved flags" => RawHttp2Connection.Message(RawCall.Prompt, flags: 2),
        "length beyond int" => [0, 0xFF, 0xFF, 0xFF, 0xFF, 0],
        "length far too long" => [0, 0x7F, 0xFF, 0xFF, 0xFF, 0],
        _ => throw new ArgumentOutOfRangeException(nameof(shape)),
    };

    /// <summary>
    /// connect: server-stream/no-request, server-stream/multiple-requests, incomplete-message, incomplete-message-prefix.
    /// The suite asks for UNIMPLEMENTED where the number of messages is wrong, after gRPC's status code page
    /// (cardinality violation); Grpc.AspNetCore answers INTERNAL, and a middleware cannot know better, since only the
    /// framework reads the body. None of it is an error of the server, so a client cannot fill its log.
    /// </summary>
    [Theory]
    [InlineData("none", StatusCode.Internal)]
    [InlineData("two", StatusCode.Internal)]
    [InlineData("trailing byte", StatusCode.Internal)]
    [InlineData("trailing garbage", StatusCode.Internal)]
    [InlineData("half a prefix", StatusCode.Internal)]
    [InlineData("prefix alone", StatusCode.Internal)]
    [InlineData("cut off", StatusCode.Internal)]
    [InlineData("reserved flags", StatusCode.Internal)]
    [InlineData("length beyond int", StatusCode.Internal)]
    [InlineData("length far too long", StatusCode.ResourceExhausted)]
    public async Task BodyThatIsNotOneMessage_IsRefusedOnceAndBilledToTheClient(string shape, StatusCode status)
    {
        var backend = ScriptedBackend.Text("a");
        await using var server = await LlmServer.StartAsync(backend);

        var answer = await RawCall.OfAsync(server, BodyOf(shape));

        answer.Status.ShouldBe(status);
        answer.IsTrailersOnly.ShouldBeTrue();
        answer.Messages.ShouldBeEmpty();
        (await server.Logs.NextUsageAsync()).GetProperty("error_reason").GetString().ShouldBe("INVALID_REQUEST");
        server.Logs.UsageWaiting.ShouldBe(0);
        server.Logs.Errors.ShouldBeEmpty();
        (await RawCall.OfAsync(server)).Status.ShouldBe(StatusCode.OK);
    }

    /// <summary>Likewise for other methods, and behind a message that was in order.</summary>
    [Theory]
    [InlineData(Paths.ListModels, 0)]
    [InlineData("/grpc.health.v1.Health/Check", 0)]
    [InlineData("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", 1)]
    public async Task ReservedFlags_AreNoErrorOfTheServer(string path, int messagesBefore)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        var stream = await connection.OpenAsync(RawHttp2Connection.Fields(path), isWhole: false);
        for (var message = 0; message < messagesBefore; message++)
            await stream.SendAsync(RawHttp2Connection.Message([]), isLast: false);

        await stream.SendAsync(RawHttp2Connection.Message([], flags: 2), isLast: true);

        (await stream.Ended).Status.ShouldBe(StatusCode.Internal);
        server.Logs.Errors.ShouldBeEmpty();
    }

    /// <summary>gRPC's page of status codes: an error parsing the request is INTERNAL. The contract's own methods say which field.</summary>
    [Theory]
    [InlineData("/grpc.health.v1.Health/Check")]
    [InlineData("/grpc.health.v1.Health/List")]
    [InlineData("/grpc.health.v1.Health/Watch")]
    [InlineData("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")]
    [InlineData("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")]
    public async Task NoProtobuf_IsNoErrorOfTheServer(string path)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        var stream = await connection.OpenAsync(RawHttp2Connection.Fields(path), isWhole: false);

        await stream.SendAsync(RawHttp2Connection.Message([0xFF, 0xFF]), isLast: true);

        (await stream.Ended).Status.ShouldBe(StatusCode.Internal);
        server.Logs.Errors.ShouldBeEmpty();
    }

    /// <summary>A message of no bytes is a message: the request with every field at its default, which names the input.</summary>
    [Fact]
    public async Task ZeroLengthMessage_IsAnEmptyRequest()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));

        var answer = await RawCall.OfAsync(server, RawHttp2Connection.Message([]));

        answer.Status.ShouldBe(StatusCode.InvalidArgument);
        answer.Reason.ShouldBe("INVALID_REQUEST");
    }

    /// <summary>gRPC over HTTP/2: DATA frame boundaries have no relation to messages.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(7)]
    public async Task MessageInManyFrames_IsOneMessage(int frame)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        var stream = await connection.OpenAsync(RawHttp2Connection.Fields(Paths.Generate), isWhole: false);
        var request = new GenerateRequest { Prompt = "A prompt of some length, byte by byte ☺" };

        await stream.SendAsync(RawHttp2Connection.Message(request.ToByteArray()), isLast: false, frame);
        await stream.SendAsync([], isLast: true);

        (await stream.Ended).Status.ShouldBe(StatusCode.OK);
    }

    /// <summary>RFC 9113, section 6.1: padding is no part of the data.</summary>
    [Fact]
    public async Task PaddedFrames_AreReadWithoutTheirPadding()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        var stream = await connection.OpenAsync(RawHttp2Connection.Fields(Paths.Generate), isWhole: false);

        byte[] payload = [9, .. Message, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        await connection.WriteFrameAsync(
            RawHttp2Connection.DataFrame, RawHttp2Connection.Padded | RawHttp2Connection.EndStream, stream.Id, payload);

        (await stream.Ended).Status.ShouldBe(StatusCode.OK);
    }

    /// <summary>connect: Server Message Size / server-stream/request-equal-to-server-limit, request-exceeds-server-limit.</summary>
    [Theory]
    [InlineData(0, StatusCode.OK)]
    [InlineData(1, StatusCode.ResourceExhausted)]
    [InlineData(10, StatusCode.ResourceExhausted)]
    public async Task RequestSize_CountsTheMessageWithoutItsPrefix(int beyond, StatusCode status)
    {
        const int limit = 4096;
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"), $"GrpcLlm:Limits:MaxRequestBytes={limit}");
        var request = new GenerateRequest { Prompt = new string('p', limit + beyond - 3) }.ToByteArray();
        request.Length.ShouldBe(limit + beyond);

        (await RawCall.OfAsync(server, RawHttp2Connection.Message(request))).Status.ShouldBe(status);
    }

    /// <summary>A length above the limit is refused when its prefix is read: the server does not wait for the rest.</summary>
    [Fact]
    public async Task RequestAboveTheLimit_IsRefusedBeforeItsBytesCome()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"), "GrpcLlm:Limits:MaxRequestBytes=4096");
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);

        var stream = await connection.OpenAsync(Paths.Generate, [0, 0, 0, 0x10, 0x01, .. "begin"u8], isWhole: false);

        (await stream.Ended).Status.ShouldBe(StatusCode.ResourceExhausted);
    }
}
