using System.Threading.Channels;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>Towards an upstream that speaks HTTP/2, a cancel resets one stream and leaves the connection alone.</summary>
public sealed class UpstreamHttp2Tests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ClientCancels_OneOfTwo_ResetsThatStreamOnly()
    {
        var calls = Channel.CreateUnbounded<(string Connection, Task Aborted, TaskCompletionSource GoOn)>();
        await using var upstream = await StartUpstreamAsync(async context =>
        {
            var aborted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var registration = context.RequestAborted.Register(() => aborted.TrySetResult());
            var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync(UpstreamPhasesTests.Delta("one"), Cancelled);
            calls.Writer.TryWrite((context.Connection.Id, aborted.Task, goOn));
            await Task.WhenAny(aborted.Task, goOn.Task);
            if (goOn.Task.IsCompleted) await context.Response.WriteAsync(UpstreamPhasesTests.End, Cancelled);
        });
        var address = upstream.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        await using var server = await LlmServer.StartAsync(
            "GrpcLlm:Backends:up:Kind=openai", $"GrpcLlm:Backends:up:BaseUrl={address}",
            "GrpcLlm:Backends:up:Http2PriorKnowledge=true", "GrpcLlm:Models:m:Routes:0:Backend=up", "GrpcLlm:DefaultModel=m");
        using var kept = server.Client.Generate(new GenerateRequest { Prompt = "p" }, cancellationToken: Cancelled);
        var first = await calls.Reader.ReadAsync(Cancelled);
        var cancelled = server.Client.Generate(new GenerateRequest { Prompt = "p" }, cancellationToken: Cancelled);
        var second = await calls.Reader.ReadAsync(Cancelled);

        cancelled.Dispose();
        await second.Aborted.WaitAsync(Cancelled);

        second.Connection.ShouldBe(first.Connection);
        first.Aborted.IsCompleted.ShouldBeFalse();
        first.GoOn.SetResult();
        var answer = await Answer.OfAsync(kept);
        answer.Text.ShouldBe("one");
        answer.Finish.Reason.ShouldBe(FinishReason.Stop);
    }

    private static async Task<WebApplication> StartUpstreamAsync(RequestDelegate handle)
    {
        var builder = WebApplication.CreateSlimBuilder();

        // The server's own settings lie beside the tests, and would have its ports opened too.
        builder.Configuration.Sources.Clear();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(static kestrel =>
            kestrel.Listen(System.Net.IPAddress.Loopback, 0, static listen => listen.Protocols = HttpProtocols.Http2));
        var app = builder.Build();
        app.Run(handle);
        await app.StartAsync(Cancelled);
        return app;
    }
}
