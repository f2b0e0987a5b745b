using Grpc.Core;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace GrpcLlm.Client.Tests.DependencyInjection;

public sealed class AddGrpcLlmClientTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Client_Registered_IsOneAndWorks()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.Answer());
        var services = new ServiceCollection();
        services.AddGrpcLlmClient(options => options.Address = server.Address);
        await using var provider = services.BuildServiceProvider();

        var client = provider.GetRequiredService<GrpcLlmClient>();

        client.ShouldBeSameAs(provider.GetRequiredService<GrpcLlmClient>());
        (await client.GenerateTextAsync("hi", cancellationToken: Token)).ShouldBe("Hello world");
    }

    [Fact]
    public void Clients_Named_HaveOptionsOfTheirOwn()
    {
        var services = new ServiceCollection();
        services.AddGrpcLlmClient(options => options.Address = new Uri("http://plain:1"));
        services.AddGrpcLlmClient("near", options => options.Address = new Uri("http://near:1"));
        services.AddGrpcLlmClient("far", options => options.Address = new Uri("https://far"));
        using var provider = services.BuildServiceProvider();

        provider.GetRequiredService<GrpcLlmClient>().Address!.Host.ShouldBe("plain");
        provider.GetRequiredKeyedService<GrpcLlmClient>("near").Address!.Host.ShouldBe("near");
        provider.GetRequiredKeyedService<GrpcLlmClient>("far").Address!.Host.ShouldBe("far");
    }

    [Fact]
    public void Registration_Repeated_AddsToTheSameOptions()
    {
        var services = new ServiceCollection();
        services.AddGrpcLlmClient(options => options.Address = new Uri("http://llm:1"));
        services.AddGrpcLlmClient(options => options.DefaultModel = "tiny");
        using var provider = services.BuildServiceProvider();

        var client = provider.GetServices<GrpcLlmClient>().Single();

        client.Address!.Host.ShouldBe("llm");
        client.DefaultModel.ShouldBe("tiny");
    }

    [Fact]
    public void Options_Wrong_AreAllNamedAtFirstUse()
    {
        var services = new ServiceCollection();
        services.AddGrpcLlmClient("far", options =>
        {
            options.Address = new Uri("http://llm.example");
            options.ApiKey = "secret";
            options.Retry.MaxAttempts = 0;
        });
        using var provider = services.BuildServiceProvider();

        var exception = Should.Throw<OptionsValidationException>(() => provider.GetRequiredKeyedService<GrpcLlmClient>("far"));

        exception.Failures.Count().ShouldBe(2);
        exception.Message.ShouldContain("the GrpcLlm client 'far': ApiKey would be readable");
        exception.Message.ShouldContain("the GrpcLlm client 'far': Retry.MaxAttempts must be 1 to 10.");
        exception.Message.ShouldNotContain("secret");
    }

    [Fact]
    public async Task Options_Wrong_StopTheHostAtStart()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddGrpcLlmClient(_ => { });
        using var host = builder.Build();

        (await Should.ThrowAsync<OptionsValidationException>(host.StartAsync(Token))).Message.ShouldContain("Address is not set.");
    }

    [Fact]
    public async Task Services_Registered_AreUsed()
    {
        var time = new FakeTimeProvider();
        await using var server = await TestServer.StartAsync();
        server.Service.OnGenerate = (_, _, _) =>
            throw ServerFailure.Of(StatusCode.Unavailable, "OVERLOADED", "full", retrySafe: true, pushback: "1000");
        var services = new ServiceCollection();
        services.AddSingleton<TimeProvider>(time);
        services.AddSingleton(new ModelName("tiny"));
        services.AddGrpcLlmClient(options => options.Address = server.Address)
            .Configure<ModelName>((options, name) => options.DefaultModel = name.Value);
        await using var provider = services.BuildServiceProvider();
        var client = provider.GetRequiredService<GrpcLlmClient>();
        using var cancel = new CancellationTokenSource();

        var answer = client.GenerateTextAsync(new GenerateRequest(), cancellationToken: cancel.Token);
        await time.HasArmedAsync(1).WaitAsync(TimeSpan.FromSeconds(30), Token);
        await cancel.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(answer);
        client.DefaultModel.ShouldBe("tiny");
    }

    [Fact]
    public async Task Client_IsDisposedWithTheProvider()
    {
        var services = new ServiceCollection();
        services.AddGrpcLlmClient(options => options.Address = new Uri("http://localhost:1"));
        var provider = services.BuildServiceProvider();
        var client = provider.GetRequiredService<GrpcLlmClient>();

        await provider.DisposeAsync();

        await Should.ThrowAsync<ObjectDisposedException>(client.GenerateTextAsync("hi", cancellationToken: Token));
    }

    private sealed record ModelName(string Value);
}
