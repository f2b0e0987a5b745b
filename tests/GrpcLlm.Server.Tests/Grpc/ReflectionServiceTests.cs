using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Reflection.V1;
using GrpcLlm.Server.Grpc;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Grpc;

public sealed class ReflectionServiceTests
{
    private const string Own = "grpcllm/v1/generation.proto";

    [Fact]
    public async Task ListServices_TellsAllInOrder() =>
        (await AskAsync(new ServerReflectionRequest { ListServices = "*" })).ListServicesResponse.Service
            .Select(static service => service.Name).ShouldBe(
            [
                "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                "grpc.reflection.v1alpha.ServerReflection", "grpcllm.v1.GenerationService",
            ]);

    [Theory]
    [InlineData(Own)]
    [InlineData("google/protobuf/duration.proto")]
    [InlineData("grpc/reflection/v1alpha/reflection.proto")]
    public async Task FileByFilename_Known_ComesFirstOfASelfContainedSet(string name)
    {
        var files = await FilesAsync(new ServerReflectionRequest { FileByFilename = name });

        files[0].Name.ShouldBe(name);
        files.SelectMany(static file => file.Dependency).Except(files.Select(static file => file.Name), StringComparer.Ordinal).ShouldBeEmpty();
    }

    [Fact]
    public async Task FileByFilename_Own_ComesWithItsImportOnce() =>
        (await FilesAsync(new ServerReflectionRequest { FileByFilename = Own })).Select(static file => file.Name)
            .ShouldBe([Own, "google/protobuf/duration.proto"]);

    [Theory]
    [InlineData("grpcllm.v1.GenerationService")]
    [InlineData("grpcllm.v1.GenerationService.Generate")]
    [InlineData("grpcllm.v1.TokenChunk")]
    [InlineData("grpcllm.v1.TokenChunk.text")]
    [InlineData("grpcllm.v1.TokenChunk.delta")]
    [InlineData("grpcllm.v1.GenerateRequest.LabelsEntry")]
    [InlineData("grpcllm.v1.FinishReason")]
    [InlineData("grpcllm.v1.FINISH_REASON_STOP")]
    public async Task FileContainingSymbol_Known_IsItsFile(string symbol) =>
        (await FilesAsync(new ServerReflectionRequest { FileContainingSymbol = symbol }))[0].Name.ShouldBe(Own);

    [Theory]
    [InlineData("grpcllm.v1.Nothing")]
    [InlineData("")]
    [InlineData("grpcllm.v1.tokenchunk")]
    public async Task FileContainingSymbol_Unknown_IsNotFound(string symbol) =>
        AssertNotFound(await AskAsync(new ServerReflectionRequest { FileContainingSymbol = symbol }));

    [Fact]
    public async Task FileByFilename_Unknown_IsNotFound() =>
        AssertNotFound(await AskAsync(new ServerReflectionRequest { FileByFilename = "no.proto" }));

    [Fact]
    public async Task Extensions_ThereAreNone()
    {
        var known = await AskAsync(new ServerReflectionRequest { AllExtensionNumbersOfType = "grpcllm.v1.TokenChunk" });
        known.AllExtensionNumbersResponse.BaseTypeName.ShouldBe("grpcllm.v1.TokenChunk");
        known.AllExtensionNumbersResponse.ExtensionNumber.ShouldBeEmpty();

        AssertNotFound(await AskAsync(new ServerReflectionRequest { AllExtensionNumbersOfType = "x" }));
        AssertNotFound(await AskAsync(new ServerReflectionRequest
        {
            FileContainingExtension = new ExtensionRequest { ContainingType = "grpcllm.v1.TokenChunk", ExtensionNumber = 1 },
        }));
    }

    [Fact]
    public async Task Nothing_IsInvalid() =>
        (await AskAsync(new ServerReflectionRequest())).ErrorResponse.ErrorCode.ShouldBe((int)StatusCode.InvalidArgument);

    [Fact]
    public async Task Answer_RepeatsTheQuestion()
    {
        var request = new ServerReflectionRequest { Host = "h", ListServices = "" };

        var answer = await AskAsync(request);

        answer.ValidHost.ShouldBe("h");
        answer.OriginalRequest.ShouldBe(request);
    }

    private static void AssertNotFound(ServerReflectionResponse response) =>
        response.ErrorResponse.ErrorCode.ShouldBe((int)StatusCode.NotFound);

    private static async Task<List<FileDescriptorProto>> FilesAsync(ServerReflectionRequest request) =>
        [.. (await AskAsync(request)).FileDescriptorResponse.FileDescriptorProto.Select(FileDescriptorProto.Parser.ParseFrom)];

    private static async Task<ServerReflectionResponse> AskAsync(ServerReflectionRequest request)
    {
        var service = new ReflectionService(
        [
            GenerationReflection.Descriptor,
            global::Grpc.Health.V1.HealthReflection.Descriptor,
            ReflectionReflection.Descriptor,
            global::Grpc.Reflection.V1Alpha.ReflectionReflection.Descriptor,
        ]);
        var exchange = new Exchange(request);
        await service.ServerReflectionInfo(exchange, exchange, new FakeCallContext());
        return exchange.Answer.ShouldNotBeNull();
    }

    private sealed class Exchange(ServerReflectionRequest request)
        : IAsyncStreamReader<ServerReflectionRequest>, IServerStreamWriter<ServerReflectionResponse>
    {
        private bool _asked;

        public ServerReflectionResponse? Answer { get; private set; }

        public ServerReflectionRequest Current => request;

        public WriteOptions? WriteOptions { get; set; }

        public Task<bool> MoveNext(CancellationToken cancellationToken)
        {
            (var first, _asked) = (!_asked, true);
            return Task.FromResult(first);
        }

        public Task WriteAsync(ServerReflectionResponse message)
        {
            Answer = message;
            return Task.CompletedTask;
        }
    }
}
