using System.Text.Json;
using Google.Protobuf;
using Google.Rpc;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Upstreams.OpenAiSetup;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>What reaches the provider, and what is refused before it does.</summary>
public sealed class OpenAiRequestsTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Generate_ReachesTheProviderWithKeyAndBody()
    {
        await using var upstream = TestUpstream.Of(Sse(Text("a"), Stop));
        await using var server = await StartAsync(upstream, "GrpcLlm:Models:m:Routes:0:Model=gpt-x");
        var request = Prompt;
        request.Sampling = new SamplingOptions { Temperature = 0.7 };

        await Answer.OfAsync(server, request);

        var call = await upstream.NextCallAsync();
        call.Method.ShouldBe("POST");
        call.Path.ShouldBe("/v1/chat/completions");
        call.Headers["authorization"].ShouldBe($"Bearer {Key}");
        call.Headers["content-type"].ShouldStartWith("application/json");
        call.BodyText.ShouldContain("\"temperature\":0.7}");
        using var body = JsonDocument.Parse(call.Body);
        body.RootElement.GetProperty("model").GetString().ShouldBe("gpt-x");
        body.RootElement.GetProperty("stream").GetBoolean().ShouldBeTrue();
    }

    [Fact]
    public async Task Azure_HasItsOwnUrlAndKey()
    {
        await using var upstream = TestUpstream.Of(Sse(Text("a"), Stop));
        await using var server = await StartAsync(
            upstream, $"GrpcLlm:Backends:up:BaseUrl={upstream.Address}", "GrpcLlm:Backends:up:ApiVersion=2024-10-21",
            "GrpcLlm:Models:m:Routes:0:Model=my-deployment");

        (await Answer.OfAsync(server, Prompt)).Text.ShouldBe("a");

        var call = await upstream.NextCallAsync();
        call.Path.ShouldBe("/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21");
        call.Headers["api-key"].ShouldBe(Key);
        call.Headers.ContainsKey("authorization").ShouldBeFalse();
    }

    [Fact]
    public async Task Image_ReachesTheProviderAsItIs()
    {
        var bytes = Enumerable.Range(0, 100_000).Select(static n => (byte)(n * 31)).ToArray();
        await using var upstream = TestUpstream.Of(Sse(Text("a"), Stop));
        await using var server = await StartAsync(upstream);
        var image = new Image { Data = ByteString.CopyFrom(bytes), MediaType = "image/png" };
        var message = new ConversationMessage { Role = Role.User, Parts = { new ContentPart { Image = image } } };

        await Answer.OfAsync(server, new GenerateRequest { Conversation = new Conversation { Messages = { message } } });

        using var body = JsonDocument.Parse((await upstream.NextCallAsync()).Body);
        var url = body.RootElement.GetProperty("messages")[0].GetProperty("content")[0].GetProperty("image_url").GetProperty("url").GetString()!;
        url.ShouldStartWith("data:image/png;base64,");
        Convert.FromBase64String(url["data:image/png;base64,".Length..]).ShouldBe(bytes);
    }

    [Fact]
    public async Task FieldsTheProviderDoesNotTake_AreRefusedByName()
    {
        await using var upstream = TestUpstream.Of(Sse(Text("a"), Stop));
        await using var server = await StartAsync(upstream);
        var request = Prompt;
        request.Sampling = new SamplingOptions { TopK = 4 };
        request.Output = new OutputOptions { TokenIds = true };

        var answer = await Answer.OfAsync(server, request);

        answer.Reason.ShouldBe("INVALID_REQUEST");
        answer.Detail<BadRequest>().FieldViolations.Select(violation => violation.Field)
            .ShouldBe(["sampling.top_k", "output.token_ids"], ignoreOrder: true);
    }

    [Fact]
    public async Task ExtendedSampling_IsSentWhereTheServerTakesIt()
    {
        await using var upstream = TestUpstream.Of(Sse(Text("a"), Stop));
        await using var server = await StartAsync(upstream, "GrpcLlm:Backends:up:ExtendedSampling=true");
        var request = Prompt;
        request.Sampling = new SamplingOptions { TopK = 4 };

        (await Answer.OfAsync(server, request)).Text.ShouldBe("a");

        (await upstream.NextCallAsync()).BodyText.ShouldContain("\"top_k\":4");
    }

    [Fact]
    public async Task ProviderOptions_GoThroughWhereAllowed()
    {
        await using var upstream = TestUpstream.Of(Sse(Text("a"), Stop));
        await using var server = await StartAsync(upstream, "GrpcLlm:Backends:up:AllowedProviderOptions:0=service_tier");
        var allowed = Prompt;
        allowed.ProviderOptionsJson["openai"] = """{"service_tier":"flex"}""";
        var refused = Prompt;
        refused.ProviderOptionsJson["openai"] = """{"service_tier":"flex","temperature":1,"metadata":{}}""";

        (await Answer.OfAsync(server, allowed)).Text.ShouldBe("a");
        var answer = await Answer.OfAsync(server, refused);

        (await upstream.NextCallAsync()).BodyText.ShouldContain("\"service_tier\":\"flex\"");
        answer.Detail<BadRequest>().FieldViolations.Select(violation => violation.Field)
            .ShouldBe(["provider_options_json[openai].temperature", "provider_options_json[openai].metadata"], ignoreOrder: true);
    }

    [Fact]
    public async Task Logprobs_ArriveAsTokens()
    {
        await using var upstream = TestUpstream.Of(Sse(
            """{"choices":[{"delta":{"content":"Hi"},"logprobs":{"content":[{"token":"H","bytes":[72],"logprob":-0.5,"top_logprobs":[{"token":"H","bytes":[72],"logprob":-0.5}]},{"token":"i","bytes":[105],"logprob":-1,"top_logprobs":[]}]}}]}""",
            Stop));
        await using var server = await StartAsync(upstream);
        var request = Prompt;
        request.Output = new OutputOptions { TopLogprobs = 1 };

        var chunk = (await Answer.OfAsync(server, request)).Chunks[0];

        chunk.TokenCount.ShouldBe(2u);
        chunk.Tokens.Select(token => token.RawBytes.ToStringUtf8()).ShouldBe(["H", "i"]);
        chunk.Tokens[0].Alternatives.ShouldHaveSingleItem().Logprob.ShouldBe(-0.5f);
    }

    [Fact]
    public async Task CountTokens_WhereTheServerCounts_IsCounted()
    {
        await using var upstream = TestUpstream.Of("""{"count":42,"max_model_len":4096,"tokens":[]}""", "application/json");
        await using var server = await StartAsync(upstream, "GrpcLlm:Backends:up:TokenizeEndpoint=../tokenize");

        var counted = await server.Client.CountTokensAsync(new CountTokensRequest { Prompt = "p" }, cancellationToken: Cancelled);

        counted.InputTokens.ShouldBe(42u);
        counted.Source.ShouldBe(UsageSource.Counted);
        (await upstream.NextCallAsync()).Path.ShouldBe("/tokenize");
    }

    [Fact]
    public async Task CountTokens_WhereNobodyCounts_IsEstimated()
    {
        await using var upstream = TestUpstream.Of("{}", "application/json");
        await using var server = await StartAsync(upstream);

        var counted = await server.Client.CountTokensAsync(new CountTokensRequest { Prompt = "four score" }, cancellationToken: Cancelled);

        counted.Source.ShouldBe(UsageSource.Estimated);
        upstream.Connections.ShouldBe(0);
    }

    [Fact]
    public async Task ListModels_TellsWhatTheProviderTells()
    {
        await using var upstream = TestUpstream.Of(
            """{"object":"list","data":[{"id":"m","owned_by":"vllm","max_model_len":4096}]}""", "application/json");
        await using var server = await StartAsync(upstream);

        var models = await server.Client.ListModelsAsync(new ListModelsRequest(), cancellationToken: Cancelled);

        var model = models.Models.Single(one => one.Name == "m");
        model.Owner.ShouldBe("vllm");
        model.ContextWindow.ShouldBe(4096u);
        (await upstream.NextCallAsync()).Path.ShouldBe("/v1/models");
    }

    [Theory]
    [InlineData("MaxTokensField=tokens", "MaxTokensField")]
    [InlineData("TokenizeEndpoint=http://elsewhere.example/t", "TokenizeEndpoint")]
    [InlineData("ApiKeyHeader=a b", "ApiKeyHeader")]
    public async Task WrongSetting_StopsTheStartAndIsNamed(string setting, string key)
    {
        await using var upstream = TestUpstream.Of("");

        var failure = await Should.ThrowAsync<Exception>(() => StartAsync(upstream, $"GrpcLlm:Backends:up:{setting}"));

        failure.ToString().ShouldContain($"GrpcLlm:Backends:up:{key}");
    }
}
