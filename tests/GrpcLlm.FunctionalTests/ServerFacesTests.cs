using System.Net;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Reflection.V1;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Hosting;
using GrpcLlm.V1;
using Microsoft.Extensions.DependencyInjection;
using Alpha = Grpc.Reflection.V1Alpha;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace GrpcLlm.FunctionalTests;

/// <summary>What is served beside Generate: models, counting, health, reflection and the ops pages.</summary>
public sealed class ServerFacesTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ListModels_TellsTheShippedModelsHonestly()
    {
        await using var server = await LlmServer.StartAsync();

        var models = (await server.Client.ListModelsAsync(new ListModelsRequest(), cancellationToken: Cancelled)).Models;

        models.Select(model => model.Name).ShouldBe(["embedded", "simulator"]);
        models[0].IsDefault.ShouldBeTrue();
        models[0].ContextWindow.ShouldBe(512u);
        models[0].Capabilities.ShouldContain(ModelCapability.Seed);
        models[0].Capabilities.ShouldNotContain(ModelCapability.Conversation);
        models.ShouldAllBe(model => model.State == ModelState.Available && model.Description.Length > 0);
    }

    [Fact]
    public async Task CountTokens_AgreesWithWhatGenerateReports()
    {
        await using var server = await LlmServer.StartAsync();

        var count = await server.Client.CountTokensAsync(
            new CountTokensRequest { Prompt = "Once upon a time" }, cancellationToken: Cancelled);
        var answer = await Answer.OfAsync(server, new GenerateRequest
        {
            Prompt = "Once upon a time", Limits = new GenerationLimits { MaxOutputTokens = 1 },
        });

        count.ShouldBe(new CountTokensResponse
        {
            InputTokens = 6, Source = UsageSource.Counted, Model = "embedded", Backend = "embedded", ContextWindow = 512,
        });
        answer.Finish.Usage.InputTokens.ShouldBe(count.InputTokens);
    }

    [Theory]
    [InlineData("")]
    [InlineData("grpcllm.v1.GenerationService")]
    public async Task HealthCheck_KnownService_IsServing(string service)
    {
        await using var server = await LlmServer.StartAsync();
        var health = new Health.HealthClient(server.Channel);

        var response = await health.CheckAsync(new HealthCheckRequest { Service = service }, cancellationToken: Cancelled);

        response.Status.ShouldBe(ServingStatus.Serving);
    }

    [Fact]
    public async Task HealthCheck_UnknownService_IsNotFound()
    {
        await using var server = await LlmServer.StartAsync();
        var health = new Health.HealthClient(server.Channel);

        var exception = await Should.ThrowAsync<RpcException>(
            async () => await health.CheckAsync(new HealthCheckRequest { Service = "nobody" }, cancellationToken: Cancelled));

        exception.StatusCode.ShouldBe(StatusCode.NotFound);
    }

    [Fact]
    public async Task HealthWatch_TellsChangesAndEndsWithTheServer()
    {
        await using var server = await LlmServer.StartAsync();
        var readiness = server.Services.GetRequiredService<Readiness>();
        using var known = new Health.HealthClient(server.Channel).Watch(new HealthCheckRequest(), cancellationToken: Cancelled);
        using var unknown = new Health.HealthClient(server.Channel)
            .Watch(new HealthCheckRequest { Service = "nobody" }, cancellationToken: Cancelled);

        (await NextAsync(known)).ShouldBe(ServingStatus.Serving);
        (await NextAsync(unknown)).ShouldBe(ServingStatus.ServiceUnknown);
        readiness.Set(ready: false);
        (await NextAsync(known)).ShouldBe(ServingStatus.NotServing);
        readiness.Set(ready: true);
        (await NextAsync(known)).ShouldBe(ServingStatus.Serving);
        readiness.End();
        (await known.ResponseStream.MoveNext(Cancelled)).ShouldBeFalse();
    }

    [Fact]
    public async Task Reflection_BothVersions_GiveTheContractWithItsImports()
    {
        await using var server = await LlmServer.StartAsync();
        using var current = new ServerReflection.ServerReflectionClient(server.Channel).ServerReflectionInfo(cancellationToken: Cancelled);
        using var older = new Alpha.ServerReflection.ServerReflectionClient(server.Channel).ServerReflectionInfo(cancellationToken: Cancelled);

        await current.RequestStream.WriteAsync(new ServerReflectionRequest { ListServices = "" }, Cancelled);
        await current.ResponseStream.MoveNext(Cancelled);
        current.ResponseStream.Current.ListServicesResponse.Service.Select(service => service.Name).ShouldBe(
        [
            "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
            "grpcllm.v1.GenerationService",
        ]);

        await older.RequestStream.WriteAsync(
            new Alpha.ServerReflectionRequest { FileContainingSymbol = "grpcllm.v1.GenerationService.Generate" }, Cancelled);
        await older.ResponseStream.MoveNext(Cancelled);
        var files = older.ResponseStream.Current.FileDescriptorResponse.FileDescriptorProto
            .Select(FileDescriptorProto.Parser.ParseFrom).ToList();
        files.Select(file => file.Name).ShouldBe(["grpcllm/v1/generation.proto", "google/protobuf/duration.proto"]);
        files[0].Service.ShouldHaveSingleItem().Method.Count.ShouldBe(4);

        await older.RequestStream.WriteAsync(new Alpha.ServerReflectionRequest { FileContainingSymbol = "no.Such" }, Cancelled);
        await older.ResponseStream.MoveNext(Cancelled);
        older.ResponseStream.Current.ErrorResponse.ErrorCode.ShouldBe((int)StatusCode.NotFound);
    }

    [Fact]
    public async Task OpsPages_AreServedOverHttp1AndNotOnTheGrpcEndpoint()
    {
        await using var server = await LlmServer.StartAsync();
        using var http = new HttpClient();

        (await http.GetStringAsync(new Uri(server.OpsAddress, "/healthz"), Cancelled)).ShouldBe("ok\n");
        (await http.GetStringAsync(new Uri(server.OpsAddress, "/readyz"), Cancelled)).ShouldBe("ready\n");
        server.Services.GetRequiredService<Readiness>().Set(ready: false);
        using var unready = await http.GetAsync(new Uri(server.OpsAddress, "/readyz"), Cancelled);
        unready.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);

        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, "/healthz"))
        {
            Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        using var overHttp2 = await http.SendAsync(request, Cancelled);
        overHttp2.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    private static async Task<ServingStatus> NextAsync(AsyncServerStreamingCall<HealthCheckResponse> watch)
    {
        (await watch.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
        return watch.ResponseStream.Current.Status;
    }
}
