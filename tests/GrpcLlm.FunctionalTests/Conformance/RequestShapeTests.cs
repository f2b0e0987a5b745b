using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;

namespace GrpcLlm.FunctionalTests.Conformance;

/// <summary>
/// Requests that are not quite gRPC: verb, URI, codec, content type, <c>te</c>. connect: gRPC Unexpected Requests,
/// Unexpected Requests, gRPC Proto Sub-Format Requests; interop: unimplemented_method, unimplemented_service.
/// </summary>
public sealed class RequestShapeTests
{
    /// <summary>connect: gRPC Proto Sub-Format Requests / with- and without-proto-sub-format; gRPC over HTTP/2: Content-Type.</summary>
    [Theory]
    [InlineData("application/grpc")]
    [InlineData("application/grpc+proto")]
    [InlineData("application/grpc;charset=utf-8")]
    [InlineData("application/grpc+proto; x=y")]
    [InlineData("Application/GRPC")]
    public async Task ContentTypeOfProtobuf_IsServed(string contentType)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));

        var answer = await RawCall.OfAsync(server, ("content-type", contentType));

        answer.Status.ShouldBe(StatusCode.OK);
        answer.Header("content-type").ShouldBe("application/grpc");
    }

    /// <summary>
    /// connect: Unexpected Requests / unexpected-content-type, gRPC Unexpected Requests / unexpected-codec; gRPC over
    /// HTTP/2: a server SHOULD answer 415, so that a client which is not gRPC does not take an error for success.
    /// </summary>
    [Theory]
    [InlineData("application/grpc+json")]
    [InlineData("application/grpc+foo")]
    [InlineData("application/grpc+proto2")]
    [InlineData("application/grpc-web")]
    [InlineData("application/grpc-web+proto")]
    [InlineData("application/grpcfoo")]
    [InlineData("application/json")]
    [InlineData("image/jpeg")]
    [InlineData("")]
    [InlineData(null)]
    public async Task ContentTypeOfAnythingElse_Is415AndNoBackendHearsOfIt(string? contentType)
    {
        var backend = ScriptedBackend.Text("a");
        await using var server = await LlmServer.StartAsync(backend);

        var answer = await RawCall.OfAsync(server, ("content-type", contentType));

        answer.HttpStatus.ShouldBe(415);
        answer.Messages.ShouldBeEmpty();
        answer.Status.ShouldNotBe(StatusCode.OK);
        server.Metrics.AllFinished.ShouldBe(0);
    }

    /// <summary>
    /// connect: gRPC Unexpected Requests / unexpected-verb. Which code is not specified; routing answers 404, which gRPC
    /// clients read as UNIMPLEMENTED, one that the suite allows.
    /// </summary>
    [Theory]
    [InlineData("GET")]
    [InlineData("HEAD")]
    [InlineData("OPTIONS")]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    [InlineData("PATCH")]
    [InlineData("NONSENSE")]
    public async Task UnexpectedVerb_FindsNoMethod(string verb)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));

        var answer = await RawCall.OfAsync(server, (":method", verb));

        answer.HttpStatus.ShouldBe(404);
        answer.Messages.ShouldBeEmpty();
        server.Metrics.AllFinished.ShouldBe(0);
    }

    /// <summary>
    /// connect: Basic / unimplemented, gRPC Unexpected Requests / unexpected-uri; interop: unimplemented_method,
    /// unimplemented_service. A method's path is its exact bytes: other spellings that HTTP routing would match are none.
    /// </summary>
    [Theory]
    [InlineData("/grpcllm.v1.GenerationService/Nothing")]
    [InlineData("/grpcllm.v1.GenerationService/generate")]
    [InlineData("/GRPCLLM.V1.GENERATIONSERVICE/GENERATE")]
    [InlineData("/grpcllm.v1.GenerationService/Gener%61te")]
    [InlineData("/grpcllm.v1.GenerationService/Generate/")]
    [InlineData("/grpcllm.v1.Nobody/../GenerationService/Generate")]
    [InlineData("/grpcllm.v1.Nobody/Generate")]
    [InlineData("/connectrpc.conformance.v1.UnknownService/UnknownMethod")]
    public async Task UnknownMethodOrService_IsUnimplemented(string path)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));

        var answer = await RawCall.OfAsync(server, (":path", path));

        answer.HttpStatus.ShouldBe(200);
        answer.IsTrailersOnly.ShouldBeTrue();
        answer.Status.ShouldBe(StatusCode.Unimplemented);
    }

    /// <summary>A path that is no method's (gRPC over HTTP/2: Path) is nobody's.</summary>
    [Theory]
    [InlineData("/")]
    [InlineData("/Generate")]
    [InlineData("/grpcllm.v1.GenerationService/Generate/more")]
    [InlineData("/grpcllm.v1.GenerationService")]
    public async Task WrongUri_Is404(string path)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));

        var answer = await RawCall.OfAsync(server, (":path", path));

        answer.HttpStatus.ShouldBe(404);
        answer.Status.ShouldBeNull();
    }

    /// <summary>
    /// gRPC over HTTP/2: TE is there to detect proxies that drop trailers, and a call without it is to be served or
    /// refused as the server sees fit. It is served: the in-band finish tells truncation from success anyway.
    /// </summary>
    [Fact]
    public async Task MissingTe_IsServed()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));

        (await RawCall.OfAsync(server, ("te", null))).Status.ShouldBe(StatusCode.OK);
    }
}
