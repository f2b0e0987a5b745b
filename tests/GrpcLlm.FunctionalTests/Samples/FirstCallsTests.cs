using System.Text;
using GrpcLlm.Client;
using GrpcLlm.Client.Json;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace GrpcLlm.FunctionalTests.Samples;

/// <summary>What the README shows of the .NET client, against a real server.</summary>
public sealed class FirstCallsTests
{
    [Fact]
    public async Task Stream_OverDependencyInjection()
    {
        await using var server = await LlmServer.StartAsync();
        var address = server.Address;
        var stop = TestContext.Current.CancellationToken;
        var request = new GenerateRequest { Prompt = "Once upon a time" };
        var output = new StringBuilder();
        var services = new ServiceCollection();

        services.AddGrpcLlmClient(options => options.Address = address);
        await using var provider = services.BuildServiceProvider();

        var client = provider.GetRequiredService<GrpcLlmClient>();
        try
        {
            await foreach (var chunk in client.GenerateAsync(request, cancellationToken: stop))
                output.Append(chunk.Text);
        }
        catch (GenerationException failure) when (failure.RetrySafe)
        {
            // Nothing was delivered: another instance, or later.
        }

        output.Length.ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task ChatClient_AnswersLikeAnyOther()
    {
        await using var server = await LlmServer.StartAsync();
        await using var client = new GrpcLlmClient(server.Address);
        var stop = TestContext.Current.CancellationToken;

        IChatClient chat = client.AsChatClient("embedded");
        var response = await chat.GetResponseAsync("Once upon a time", new ChatOptions { MaxOutputTokens = 8 }, stop);

        response.Text.ShouldNotBeEmpty();
        response.Usage!.OutputTokenCount.ShouldBe(8);
    }

    [Fact]
    public void PartialJson_ShowsWhatIsThereSoFar()
    {
        var reader = new PartialJsonReader();
        reader.Append("{\"city\": \"Be");
        reader.Append("rn\", \"degrees\": 2");

        reader.Value!.ToString().ShouldBe("{\"city\":\"Bern\"}");
    }
}
