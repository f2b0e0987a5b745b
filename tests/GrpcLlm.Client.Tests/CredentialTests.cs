using Grpc.Core;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests;

public sealed class CredentialTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ApiKey_IsSentWithEveryCall()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = new GrpcLlmClient(server.Address, new GrpcLlmClientOptions { ApiKey = "key-1" });
        server.Service.Streams(Chunks.Answer());
        server.Service.OnListModels = _ => new ListModelsResponse();
        server.Service.OnCountTokens = _ => new CountTokensResponse();
        server.Service.OnCancel = _ => new CancelGenerationResponse();

        await client.GenerateTextAsync("hi", cancellationToken: Token);
        await client.ListModelsAsync(Token).ToListAsync(Token);
        await client.CountTokensAsync(new CountTokensRequest(), Token);
        await client.CancelGenerationAsync("x", Token);

        server.Authorizations.ShouldBe(Enumerable.Repeat("Bearer key-1", 4));
    }

    [Fact]
    public async Task TokenProvider_IsAskedForEveryAttempt()
    {
        await using var server = await TestServer.StartAsync();
        var asked = 0;
        await using var client = new GrpcLlmClient(server.Address, new GrpcLlmClientOptions
        {
            TokenProvider = _ => ValueTask.FromResult($"token-{++asked}"),
        });
        var failed = false;
        server.Service.OnGenerate = async (_, stream, context) =>
        {
            if (!failed)
            {
                failed = true;
                throw ServerFailure.Of(StatusCode.Unavailable, "DRAINING", "bye", retrySafe: true, pushback: "0");
            }

            await stream.WriteAsync(Chunks.End(1), context.CancellationToken);
        };

        await client.GenerateTextAsync("hi", cancellationToken: Token);

        server.Authorizations.ShouldBe(["Bearer token-1", "Bearer token-2"]);
    }

    [Fact]
    public async Task Authorization_OfTheCall_TakesThePlaceOfTheClients()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = new GrpcLlmClient(server.Address, new GrpcLlmClientOptions { ApiKey = "key-1" });
        server.Service.Streams(Chunks.Answer());

        var headers = new Metadata { { "Authorization", "Bearer other" } };
        await client.GenerateTextAsync("hi", new GenerateCallOptions { Headers = headers }, Token);

        server.Authorizations.ShouldBe(["Bearer other"]);
    }

    [Fact]
    public async Task Headers_OfTheCall_GoBesideTheCredentials()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = new GrpcLlmClient(server.Address, new GrpcLlmClientOptions { ApiKey = "key-1" });
        Metadata? seen = null;
        server.Service.OnGenerate = (_, stream, context) =>
        {
            seen = context.RequestHeaders;
            return stream.WriteAsync(Chunks.End(1), context.CancellationToken);
        };
        var headers = new Metadata { { "x-team", "search" } };

        await client.GenerateTextAsync("hi", new GenerateCallOptions { Headers = headers }, Token);

        seen!.GetValue("x-team").ShouldBe("search");
        seen!.GetValue("authorization").ShouldBe("Bearer key-1");
        headers.Count.ShouldBe(1);
    }

    [Fact]
    public async Task TokenProvider_Fails_IsTypedAndNothingIsSent()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = new GrpcLlmClient(server.Address, new GrpcLlmClientOptions
        {
            TokenProvider = _ => throw new HttpRequestException("no identity service"),
        });

        var failure = await Should.ThrowAsync<GenerationException>(client.GenerateTextAsync("hi", cancellationToken: Token));

        failure.Kind.ShouldBe(GenerationFailureKind.Credentials);
        failure.StatusCode.ShouldBe(StatusCode.Unauthenticated);
        failure.InnerException.ShouldBeOfType<HttpRequestException>();
        failure.Attempts.ShouldBe(0);
        server.Authorizations.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("")]
    [InlineData("two words")]
    [InlineData("line\r\nx-injected: 1")]
    public async Task TokenProvider_GivesWhatNoHeaderCarries_IsTypedWithoutTheToken(string token)
    {
        await using var server = await TestServer.StartAsync();
        await using var client = new GrpcLlmClient(server.Address, new GrpcLlmClientOptions
        {
            TokenProvider = _ => ValueTask.FromResult(token),
        });

        var failure = await Should.ThrowAsync<GenerationException>(
            client.CountTokensAsync(new CountTokensRequest(), Token));

        failure.Kind.ShouldBe(GenerationFailureKind.Credentials);
        failure.ToString().ShouldNotContain("injected");
    }

    [Fact]
    public async Task TokenProvider_CancelledWithTheCall_ThrowsOperationCanceled()
    {
        await using var server = await TestServer.StartAsync();
        using var cancel = new CancellationTokenSource();
        await using var client = new GrpcLlmClient(server.Address, new GrpcLlmClientOptions
        {
            TokenProvider = async token =>
            {
                await cancel.CancelAsync();
                token.ThrowIfCancellationRequested();
                return "late";
            },
        });

        var exception = await Should.ThrowAsync<OperationCanceledException>(
            client.GenerateTextAsync("hi", cancellationToken: cancel.Token));

        exception.CancellationToken.ShouldBe(cancel.Token);
    }
}
