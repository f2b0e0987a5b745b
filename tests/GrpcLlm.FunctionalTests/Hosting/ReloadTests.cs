using Google.Protobuf;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Hosting;
using GrpcLlm.V1;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using static GrpcLlm.FunctionalTests.Upstreams.OpenAiSetup;

namespace GrpcLlm.FunctionalTests.Hosting;

/// <summary>The real file is rewritten under a running server and running streams.</summary>
public sealed class ReloadTests
{
    private const string Reloaded = "ConfigurationReloaded";
    private const string Rejected = "ConfigurationRejected";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task RouteChanged_NextCallUsesIt_WhileTheRunningStreamEndsOnItsBackendWhichIsThenClosed()
    {
        var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var before = TestUpstream.Start(async upstream =>
        {
            await upstream.HeadAsync();
            await upstream.WriteAsync(Sse(Text("one")));
            await goOn.Task;
            await upstream.WriteAsync(Sse(Text(" two"), Stop));
            await upstream.EndAsync();
        });
        await using var after = TestUpstream.Of(Sse(Text("three"), Stop));
        using var file = new SettingsFile(Settings("before", before.Address));
        await using var server = await StartAsync(file);
        using var running = server.Client.Generate(Prompt, cancellationToken: Cancelled);
        (await running.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
        var upstreamCall = await before.NextCallAsync();

        file.Write(Settings("after", after.Address));
        await LoggedAsync(server, Reloaded, 1);

        (await Answer.OfAsync(server, Prompt)).Text.ShouldBe("three");
        upstreamCall.Closed.IsCompleted.ShouldBeFalse();
        goOn.SetResult();
        var rest = await Answer.OfAsync(running);
        rest.Text.ShouldBe(" two");
        rest.Finish.Reason.ShouldBe(FinishReason.Stop);
        await upstreamCall.Closed;
        server.Logs.Lines.ShouldContain(line => line.StartsWith("Information ", StringComparison.Ordinal)
            && line.Contains("Backends:after added, Backends:before removed, Models:m changed", StringComparison.Ordinal));
        server.Logs.Errors.ShouldBeEmpty();
    }

    [Fact]
    public async Task KeysChanged_TheNextCallHasTheNewOne_AndOtherBackendsStayTheSame()
    {
        await using var upstream = TestUpstream.Of(Sse(Text("a"), Stop));
        using var file = new SettingsFile(Settings("up", upstream.Address, "sk-secret-one"));
        await using var server = await StartAsync(file);
        var deployments = server.Services.GetRequiredService<Deployments>();
        var first = deployments.Current;
        await Answer.OfAsync(server, Prompt);

        file.Write(Settings("up", upstream.Address, "sk-secret-two"));
        await LoggedAsync(server, Reloaded, 1);

        await Answer.OfAsync(server, Prompt);
        (await upstream.NextCallAsync()).Headers["authorization"].ShouldBe("Bearer sk-secret-one");
        (await upstream.NextCallAsync()).Headers["authorization"].ShouldBe("Bearer sk-secret-two");
        deployments.Current.Backends["up"].ShouldNotBeSameAs(first.Backends["up"]);
        deployments.Current.Backends["embedded"].ShouldBeSameAs(first.Backends["embedded"]);
        (await Answer.OfAsync(server, new GenerateRequest
        {
            Prompt = "Once", Model = "embedded", Limits = new GenerationLimits { MaxOutputTokens = 1 },
        })).Status.StatusCode.ShouldBe(StatusCode.OK);
        server.Logs.Lines.ShouldAllBe(line => !line.Contains("sk-secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task FileThatCannotBeServed_ChangesNothingAndIsNamed_UntilItCanAgain()
    {
        var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var slow = TestUpstream.Start(async upstream =>
        {
            await upstream.HeadAsync();
            await upstream.WriteAsync(Sse(Text("one")));
            await goOn.Task;
            await upstream.WriteAsync(Sse(Text(" two"), Stop));
            await upstream.EndAsync();
        });
        await using var after = TestUpstream.Of(Sse(Text("three"), Stop));
        var good = Settings("slow", slow.Address);
        using var file = new SettingsFile(good);
        await using var server = await StartAsync(file);
        var first = server.Services.GetRequiredService<Deployments>().Current;
        using var running = server.Client.Generate(Prompt, cancellationToken: Cancelled);
        (await running.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();

        // Two errors, of two kinds: both are named.
        file.Write(good.Replace("\"slow\": {", "\"slow\": { \"Typo\": 1,", StringComparison.Ordinal)
            .Replace("\"Kind\": \"openai\"", "\"Kind\": \"openai\", \"ConnectTimeout\": \"60\"", StringComparison.Ordinal));
        await LoggedAsync(server, Rejected, 1);
        var line = server.Logs.Errors.First(static line => line.Contains(Rejected, StringComparison.Ordinal));
        line.ShouldContain("GrpcLlm:Backends:slow:Typo: there is no such setting");
        line.ShouldContain("GrpcLlm:Backends:slow:ConnectTimeout: '60' is not a time");
        await StillServesAsync(server, first);

        // Half of it, as a reader sees it that comes while it is being written.
        file.Write(good[..(good.Length / 2)]);
        await LoggedAsync(server, "settings.json: Could not parse the JSON file", 1);
        await StillServesAsync(server, first);

        file.Delete();
        await LoggedAsync(server, "settings.json: The file is gone", 1);
        await StillServesAsync(server, first);

        file.Write(Settings("after", after.Address));
        await LoggedAsync(server, Reloaded, 1);
        (await Answer.OfAsync(server, Prompt)).Text.ShouldBe("three");
        goOn.SetResult();
        (await Answer.OfAsync(running)).Finish.Reason.ShouldBe(FinishReason.Stop);
        server.Logs.Lines.ShouldAllBe(static line => !line.Contains("sk-", StringComparison.Ordinal));
    }

    [Fact]
    public async Task FileThatIsWhatIsServedAgain_IsToldOnce()
    {
        await using var upstream = TestUpstream.Of(Sse(Text("a"), Stop));
        var good = Settings("up", upstream.Address);
        using var file = new SettingsFile(good);
        await using var server = await StartAsync(file);
        file.Write("{");
        await LoggedAsync(server, Rejected, 1);

        file.Write(good);

        await LoggedAsync(server, "ConfigurationRestored", 1);
        Count(server, Reloaded).ShouldBe(0);
    }

    [Fact]
    public async Task StreamingSettingsChanged_TheNextCallHasThem()
    {
        await using var upstream = TestUpstream.Of(Sse(Text(new string('x', 500_000)), Stop));
        using var file = new SettingsFile(Settings("up", upstream.Address));
        await using var server = await StartAsync(file);
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address, streamWindow: 64);
        var before = await connection.CallAsync(Paths.Generate, Prompt.ToByteArray());
        await before.Headers;

        file.Write(Settings("up", upstream.Address).Replace(
            "\"Models\"", "\"Streaming\": { \"ClientStallTimeout\": \"00:00:00.05\" }, \"Models\"", StringComparison.Ordinal));
        await LoggedAsync(server, Reloaded, 1);
        var after = await connection.CallAsync(Paths.Generate, Prompt.ToByteArray());

        await after.Reset;
        before.Reset.IsCompleted.ShouldBeFalse();
    }

    [Fact]
    public async Task RequestLimitChanged_SaysThatItCountsFromTheNextStart()
    {
        await using var upstream = TestUpstream.Of(Sse(Text("a"), Stop));
        using var file = new SettingsFile(Settings("up", upstream.Address));
        await using var server = await StartAsync(file);

        file.Write(Settings("up", upstream.Address).Replace(
            "\"Models\"", "\"Limits\": { \"MaxRequestBytes\": 2048 }, \"Models\"", StringComparison.Ordinal));

        await LoggedAsync(server, "GrpcLlm:Limits:MaxRequestBytes counts from the next start on", 1);
        server.Logs.Lines.ShouldContain(static line =>
            line.StartsWith("Warning ", StringComparison.Ordinal) && line.Contains("ConfigurationNeedsRestart", StringComparison.Ordinal));
        (await Answer.OfAsync(server, new GenerateRequest { Prompt = new string('p', 4096) })).Text.ShouldBe("a");
    }

    [Fact]
    public async Task ManyChangesAtOnce_EndInTheLastState()
    {
        await using var upstream = TestUpstream.Of(Sse(Text("a"), Stop));
        using var file = new SettingsFile(Settings("up", upstream.Address));
        await using var server = await StartAsync(file);
        var root = (IConfigurationRoot)server.Services.GetRequiredService<IConfiguration>();

        for (var round = 0; round < 20; round++)
        {
            file.Write(Settings($"up{round}", upstream.Address));
            root.Reload();
        }

        var deployments = server.Services.GetRequiredService<Deployments>();
        await Eventually.IsAsync(() => deployments.Current.Backends.ContainsKey("up19"));
        (await Answer.OfAsync(server, Prompt)).Chunks[0].Started.Backend.ShouldBe("up19");
    }

    [Fact]
    public async Task LastTenantRemoved_WithARemoteEndpoint_IsRejected()
    {
        var hash = new string('a', 64);
        const string tenants = "\"Tenants\": { \"billing\": { \"ApiKeyHashes\": [ \"sha256:HASH\" ] } }, \"Models\"";
        await using var upstream = TestUpstream.Of(Sse(Text("a"), Stop));
        var open = Settings("up", upstream.Address);
        using var file = new SettingsFile(
            open.Replace("\"Models\"", tenants.Replace("HASH", hash, StringComparison.Ordinal), StringComparison.Ordinal));
        await using var server = await StartAsync(file, "Kestrel:Endpoints:Grpc:Url=http://0.0.0.0:0");
        var deployments = server.Services.GetRequiredService<Deployments>();

        file.Write(open);

        await LoggedAsync(server, "with no tenants configured anybody there could call", 1);
        deployments.Current.Options.Tenants.ShouldContainKey("billing");
        server.Logs.Lines.ShouldAllBe(line => !line.Contains(hash, StringComparison.Ordinal));
    }

    private static async Task StillServesAsync(LlmServer server, Deployment first)
    {
        server.Services.GetRequiredService<Deployments>().Current.ShouldBeSameAs(first);

        // A connection of its own, to the endpoint that only the file has: it is still open.
        var third = server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Last();
        await using var connection = await RawHttp2Connection.ConnectAsync(new Uri(third));
        var list = await connection.CallAsync(Paths.ListModels, []);
        (await list.Trailers).ShouldContain(("grpc-status", "0"));
    }

    private static Task<LlmServer> StartAsync(SettingsFile file, params string[] settings) => LlmServer.StartAsync(
        null, builder => builder.Configuration.AddJsonFile(file.Path, optional: false, reloadOnChange: true), settings);

    private static Task LoggedAsync(LlmServer server, string text, int times) =>
        Eventually.IsAsync(() => Count(server, text) >= times);

    private static int Count(LlmServer server, string text) =>
        server.Logs.Lines.Count(line => line.Contains(text, StringComparison.Ordinal));

    private static string Settings(string backend, Uri upstream, string key = Key) =>
        $$"""
        {
          "Kestrel": { "Endpoints": { "Third": { "Url": "http://127.0.0.1:0", "Protocols": "Http2" } } },
          "GrpcLlm": {
            "DefaultModel": "m",
            "Backends": {
              "{{backend}}": { "Kind": "openai", "BaseUrl": "{{upstream}}v1", "ApiKeys": [ "{{key}}" ] }
            },
            "Models": { "m": { "Routes": [ { "Backend": "{{backend}}" } ] } }
          }
        }
        """;
}
