using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests;

public sealed class OtherCallsTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ListModels_SeveralPages_AreAllListed()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.OnListModels = request => request.PageToken switch
        {
            "" => new ListModelsResponse { Models = { new Model { Name = "a" } }, NextPageToken = "2" },
            "2" => new ListModelsResponse { NextPageToken = "3" },
            _ => new ListModelsResponse { Models = { new Model { Name = "b" }, new Model { Name = "c" } } },
        };

        var models = await client.ListModelsAsync(Token).ToListAsync(Token);

        models.Select(model => model.Name).ShouldBe(["a", "b", "c"]);
    }

    [Fact]
    public async Task ListModels_PageThatRepeatsItself_FailsInsteadOfLooping()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.OnListModels = _ => new ListModelsResponse { NextPageToken = "again" };

        var failure = await Should.ThrowAsync<GenerationException>(client.ListModelsAsync(Token).ToListAsync(Token).AsTask());

        failure.Kind.ShouldBe(GenerationFailureKind.ProtocolViolation);
    }

    [Fact]
    public async Task CountTokens_Answered_ReturnsIt()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.OnCountTokens = request => new CountTokensResponse { InputTokens = (uint)request.Prompt.Length };

        var response = await client.CountTokensAsync(new CountTokensRequest { Prompt = "four" }, Token);

        response.InputTokens.ShouldBe(4u);
    }

    [Fact]
    public async Task CountTokens_Refused_IsTyped()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.OnCountTokens = _ => throw ServerFailure.Of(StatusCode.NotFound, "MODEL_NOT_FOUND", "no model 'x'");

        var failure = await Should.ThrowAsync<GenerationException>(client.CountTokensAsync(new CountTokensRequest(), Token));

        failure.Reason.ShouldBe(ErrorReason.ModelNotFound);
        failure.Message.ShouldBe("no model 'x'");
    }

    [Fact]
    public async Task Cancel_ById_ReachesTheServer()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.OnCancel = request => new CancelGenerationResponse
        {
            State = request.RequestId is "mine" ? CancelState.Cancelled : CancelState.NotFound,
            CancelledCount = 1,
        };

        (await client.CancelGenerationAsync("mine", Token)).State.ShouldBe(CancelState.Cancelled);
        (await client.CancelGenerationAsync("other", Token)).State.ShouldBe(CancelState.NotFound);
    }

    [Fact]
    public async Task UnaryCall_TokenCancelled_ThrowsOperationCanceled()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(client.ListModelsAsync(cancelled.Token).ToListAsync(Token).AsTask());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task CheckHealth_Status_IsTold(bool healthy)
    {
        var status = healthy ? HealthCheckResponse.Types.ServingStatus.Serving : HealthCheckResponse.Types.ServingStatus.NotServing;
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Health.Status = status;

        (await client.CheckHealthAsync(Token)).ShouldBe(healthy);
    }

    [Fact]
    public async Task Client_OnChannelOfTheCaller_LeavesItOpen()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.OnListModels = _ => new ListModelsResponse();
        using var channel = GrpcChannel.ForAddress(server.Address);

        await using (var first = new GrpcLlmClient(channel)) (await first.ListModelsAsync(Token).ToListAsync(Token)).ShouldBeEmpty();
        await using var second = new GrpcLlmClient(channel.CreateCallInvoker());

        (await second.ListModelsAsync(Token).ToListAsync(Token)).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("localhost:50051")]
    [InlineData("ftp://localhost")]
    public void Client_AddressNotHttp_IsRefused(string address) =>
        Should.Throw<ArgumentException>(() => new GrpcLlmClient(new Uri(address)));

    [Fact]
    public void Client_Options_ReachTheHandler()
    {
        SocketsHttpHandler? seen = null;
        var options = new GrpcLlmClientOptions
        {
            KeepAlivePingDelay = TimeSpan.FromSeconds(7),
            ConfigureHandler = handler => seen = handler,
        };

        using var client = new GrpcLlmClient(new Uri("http://localhost:1"), options);

        seen.ShouldNotBeNull();
        seen.KeepAlivePingDelay.ShouldBe(TimeSpan.FromSeconds(7));
        seen.EnableMultipleHttp2Connections.ShouldBeTrue();
        seen.PooledConnectionIdleTimeout.ShouldBe(Timeout.InfiniteTimeSpan);
    }
}
