using System.IO.Compression;
using Google.Protobuf;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Conformance;

/// <summary>
/// Compression: connect: gRPC Unexpected Requests / unexpected-compression, unexpected-compressed-message; interop:
/// client_compressed_unary and server_compressed_streaming where they apply; gRPC's compression page.
/// </summary>
public sealed class CompressionTests
{
    private static readonly byte[] Compressed = RawHttp2Connection.Message(Gzip(RawCall.Prompt), flags: 1);

    /// <summary>interop: client_compressed_unary, the compressed half; an uncompressed message beside the header is one too.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task GzipRequest_IsServed(bool compressed)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));

        var answer = await RawCall.OfAsync(
            server, compressed ? Compressed : RawHttp2Connection.Message(RawCall.Prompt), ("grpc-encoding", "gzip"));

        answer.Status.ShouldBe(StatusCode.OK);
        answer.Text.ShouldBe("a");
    }

    /// <summary>
    /// connect: unexpected-compressed-message; interop: client_compressed_unary's probe: a compressed flag where no
    /// encoding, or identity, is named is INTERNAL.
    /// </summary>
    [Theory]
    [InlineData(null)]
    [InlineData("identity")]
    public async Task CompressedMessageWithoutEncoding_IsInternal(string? encoding)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));

        var answer = await RawCall.OfAsync(server, Compressed, encoding is null ? [] : [("grpc-encoding", encoding)]);

        answer.Status.ShouldBe(StatusCode.Internal);
        (await server.Logs.NextUsageAsync()).GetProperty("error_reason").GetString().ShouldBe("INVALID_REQUEST");
    }

    /// <summary>connect: unexpected-compression: UNIMPLEMENTED, with the encodings that are spoken.</summary>
    [Theory]
    [InlineData("foo")]
    [InlineData("br")]
    [InlineData("zstd")]
    public async Task UnknownEncoding_IsUnimplementedAndNamesTheKnown(string encoding)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));

        var answer = await RawCall.OfAsync(server, Compressed, ("grpc-encoding", encoding));

        answer.Status.ShouldBe(StatusCode.Unimplemented);
        answer.Header("grpc-accept-encoding").ShouldNotBeNull().Split(',').ShouldContain("gzip");
    }

    /// <summary>
    /// interop: server_compressed_streaming asks for compressed answers. Ours never are: a token is a few bytes, which
    /// gzip makes more of. So whatever a client accepts, identity is what it gets, and no encoding is named.
    /// </summary>
    [Theory]
    [InlineData("identity")]
    [InlineData("gzip")]
    [InlineData("identity,deflate,gzip")]
    [InlineData("foo")]
    [InlineData("")]
    public async Task AcceptedEncodings_LeaveTheAnswerUncompressed(string accepted)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text(new string('a', 5000)));

        var answer = await RawCall.OfAsync(server, ("grpc-accept-encoding", accepted));

        answer.Status.ShouldBe(StatusCode.OK);
        answer.Messages.ShouldAllBe(static message => !message.IsCompressed);
        (answer.Header("grpc-encoding") ?? "identity").ShouldBe("identity");
        answer.Text.Length.ShouldBe(5000);
    }

    /// <summary>HTTP's own content-encoding is not gRPC's: the framework looks at grpc-encoding alone.</summary>
    [Fact]
    public async Task HttpContentEncoding_IsIgnored()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));

        var answer = await RawCall.OfAsync(server, ("content-encoding", "gzip"), ("accept-encoding", "gzip"));

        answer.Status.ShouldBe(StatusCode.OK);
        answer.Header("content-encoding").ShouldBeNull();
    }

    /// <summary>
    /// The request limit is one of the message, not of what was sent: 32 MiB that were squeezed into a few KiB are
    /// refused, and so is one byte too many.
    /// </summary>
    [Theory]
    [InlineData(32 << 20)]
    [InlineData(65_536 + 1)]
    public async Task GzipBomb_IsRefusedAsTooLarge(int size)
    {
        var backend = ScriptedBackend.Text("a");
        await using var server = await LlmServer.StartAsync(backend, "GrpcLlm:Limits:MaxRequestBytes=65536");
        var message = Gzip(new GenerateRequest { Prompt = new string('a', size - 4) }.ToByteArray());
        message.Length.ShouldBeLessThan(65_536);

        var answer = await RawCall.OfAsync(server, RawHttp2Connection.Message(message, flags: 1), ("grpc-encoding", "gzip"));

        answer.Status.ShouldBe(StatusCode.ResourceExhausted);
        answer.IsTrailersOnly.ShouldBeTrue();
        (await RawCall.OfAsync(server)).Status.ShouldBe(StatusCode.OK);
    }

    /// <summary>
    /// A message that says gzip and is none, or breaks off, is the client's fault. (Where only the check sum at its end is
    /// missing, GZipStream does not mind; whether the message is whole, protobuf tells.)
    /// </summary>
    [Theory]
    [InlineData("noise")]
    [InlineData("cut off")]
    [InlineData("empty")]
    public async Task BrokenGzip_IsRefusedAndBilledToTheClient(string kind)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));
        byte[] bytes = kind switch
        {
            "noise" => [.. "this is no gzip at all"u8],
            "cut off" => Gzip(new GenerateRequest { Prompt = Guid.NewGuid().ToString() }.ToByteArray())[..^20],
            _ => [],
        };

        var answer = await RawCall.OfAsync(server, RawHttp2Connection.Message(bytes, flags: 1), ("grpc-encoding", "gzip"));

        answer.Status.ShouldNotBe(StatusCode.OK);
        answer.Messages.ShouldBeEmpty();
        (await server.Logs.NextUsageAsync()).GetProperty("error_reason").GetString().ShouldBe("INVALID_REQUEST");
    }

    private static byte[] Gzip(byte[] bytes)
    {
        using var memory = new MemoryStream();
        using (var gzip = new GZipStream(memory, CompressionLevel.Optimal)) gzip.Write(bytes);
        return memory.ToArray();
    }
}
