using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Xml;
using System.Xml.Linq;
using GrpcLlm.FunctionalTests.Admission;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Resilience.RoutesSetup;

namespace GrpcLlm.FunctionalTests.Telemetry;

/// <summary>The status page and its figures as JSON, as an operator gets them.</summary>
public sealed class StatusPageTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Figures_AreExact_AfterKnownCalls()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a", "b", "c"));
        for (var n = 0; n < 3; n++) (await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" })).Text.ShouldBe("abc");
        for (var n = 0; n < 2; n++) (await Answer.OfAsync(server, new GenerateRequest { Model = "none", Prompt = "p" })).Reason.ShouldBe("MODEL_NOT_FOUND");
        await Eventually.IsAsync(() => server.Metrics.AllFinished == 5 && server.Metrics.Active == 0);

        var status = await FiguresAsync(server);

        status.GetProperty("state").GetString().ShouldBe("ready");
        status.GetProperty("streams").GetProperty("total").GetInt64().ShouldBe(0);
        var calls = status.GetProperty("calls");
        calls.GetProperty("ended").GetInt64().ShouldBe(5);
        calls.GetProperty("succeeded").GetInt64().ShouldBe(3);
        calls.GetProperty("failed_by_client").GetInt64().ShouldBe(2);
        calls.GetProperty("failed_by_service").GetInt64().ShouldBe(0);
        calls.GetProperty("failed_by_upstream").GetInt64().ShouldBe(0);
        status.GetProperty("ttft").GetProperty("count").GetInt64().ShouldBe(3);
        status.GetProperty("tpot").GetProperty("count").GetInt64().ShouldBe(3);
        var failure = status.GetProperty("failures").EnumerateArray().ShouldHaveSingleItem();
        failure.GetProperty("reason").GetString().ShouldBe("MODEL_NOT_FOUND");
        failure.GetProperty("fault").GetString().ShouldBe("client");
        failure.GetProperty("count").GetInt64().ShouldBe(2);
        var model = status.GetProperty("models").EnumerateArray().ShouldHaveSingleItem();
        (model.GetProperty("name").GetString(), model.GetProperty("ended").GetInt64(), model.GetProperty("failed").GetInt64()).ShouldBe(("scripted", 3L, 0L));
        var steps = status.GetProperty("timeline").EnumerateArray().ToList();
        steps.Sum(static step => step.GetProperty("tokens").GetInt64()).ShouldBe(9);
        steps.Sum(static step => step.GetProperty("ended").GetInt64()).ShouldBe(5);

        // A client's fault is no trouble of the server's.
        status.GetProperty("troubles").GetArrayLength().ShouldBe(0);
    }

    [Fact]
    public async Task LiveStream_IsInItsState()
    {
        await using var server = await LlmServer.StartAsync(
            ScriptedBackend.Silent(Server.Backends.BackendEvent.TextDelta("a")), "GrpcLlm:Admission:MaxConcurrent=1");
        using var streaming = server.Client.Generate(new GenerateRequest { Prompt = "p" }, cancellationToken: Cancelled);
        (await streaming.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
        using var queued = server.Client.Generate(new GenerateRequest { Prompt = "p" }, cancellationToken: Cancelled);
        await Eventually.IsAsync(() => server.Metrics.ActiveIn("queued") == 1 && server.Metrics.ActiveIn("streaming") == 1);

        var status = await FiguresAsync(server);

        status.GetProperty("streams").GetRawText().Where(char.IsDigit).ShouldBe("10102");
        status.GetProperty("admission").GetProperty("running").GetInt32().ShouldBe(1);
        status.GetProperty("admission").GetProperty("waiting").GetInt32().ShouldBe(1);
        Texts(await PageAsync(server)).ShouldContain("All places are taken: 1 call in the queue.");
    }

    [Fact]
    public async Task Page_IsWellFormed_AndShowsTheSame()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a", "b", "c"));
        await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });
        await Answer.OfAsync(server, new GenerateRequest { Model = "none", Prompt = "p" });
        await Eventually.IsAsync(() => server.Metrics.AllFinished == 2 && server.Metrics.Active == 0);

        var page = await PageAsync(server);

        Texts(page).ShouldContain("Ready");
        page.Descendants("svg").Count(static svg => svg.Attribute("role")?.Value == "img").ShouldBeGreaterThanOrEqualTo(3);
        var row = page.Descendants("tr").Single(static row => row.Elements("th").FirstOrDefault()?.Value == "MODEL_NOT_FOUND");
        row.Elements("td").Take(2).Select(static cell => cell.Value).ShouldBe(["client", "1"]);
        page.Descendants().Attributes("id").Select(static id => id.Value).ShouldBeUnique();
    }

    [Fact]
    public async Task NoCallYet_SaysSo()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));

        var texts = Texts(await PageAsync(server));

        texts.ShouldContain("The server takes calls. None has come in the last ten minutes.");
        texts.ShouldContain("No first token was sent in the last ten minutes.");
        texts.ShouldContain("No call failed in the last ten minutes.");
    }

    [Fact]
    public async Task Page_LetsABrowserRunItsOwnScriptAndNothingElse()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));
        using var http = new HttpClient();

        using var response = await http.GetAsync(new Uri(server.OpsAddress, "/status"), Cancelled);

        response.Content.Headers.ContentType!.ToString().ShouldBe("text/html; charset=utf-8");
        response.Headers.CacheControl!.ToString().ShouldBe("no-store");
        response.Headers.GetValues("X-Content-Type-Options").ShouldBe(["nosniff"]);
        response.Headers.GetValues("Referrer-Policy").ShouldBe(["no-referrer"]);
        var html = await response.Content.ReadAsStringAsync(Cancelled);
        response.Headers.GetValues("Content-Security-Policy").ShouldBe(
        [
            $"default-src 'none'; style-src 'sha256-{HashOf("style")}'; script-src 'sha256-{HashOf("script")}'; connect-src 'self'; "
                + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ]);

        string HashOf(string element)
        {
            var start = html.IndexOf($"<{element}>", StringComparison.Ordinal) + element.Length + 2;
            var text = html[start..html.IndexOf($"</{element}>", start, StringComparison.Ordinal)];
            return Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
        }
    }

    [Theory]
    [InlineData("/status")]
    [InlineData("/status.json")]
    public async Task Http2_DoesNotServeIt(string path)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, path))
        {
            Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };

        using var response = await http.SendAsync(request, Cancelled);

        response.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task OpenBreakerAndRefusedKey_AreShown_AndNothingOfCallersOrKeys()
    {
        await using var refusing = TestUpstream.Start(static call => RefuseAsync(call, 401));
        await using var broken = TestUpstream.Start(static call => RefuseAsync(call, 500));
        await using var server = await StartAsync(
            [refusing, broken],
            [
                .. Keys("a", "sk-quokka-secret"), .. TenantSettings.Of("acme-quokka", "tenant-quokka-key"),
                "GrpcLlm:Resilience:MaxDelay=00:00:00.1", "GrpcLlm:Resilience:MaxAttempts=2",
                "GrpcLlm:Resilience:BreakerMinimumThroughput=3", "GrpcLlm:Resilience:BreakerBreakDuration=00:01:00",
            ]);
        for (var n = 0; n < 5; n++)
        {
            var request = new GenerateRequest { Prompt = "prompt-quokka", RequestId = $"id-quokka-{n}", Labels = { ["team"] = "label-quokka" } };
            using var call = server.Client.Generate(request, TenantSettings.Key("tenant-quokka-key"), cancellationToken: Cancelled);
            (await Answer.OfAsync(call)).Status.StatusCode.ShouldNotBe(Grpc.Core.StatusCode.OK);
        }

        await Eventually.IsAsync(() => server.Metrics.AllFinished == 5 && server.Metrics.Active == 0);
        var status = await FiguresAsync(server);
        var lanes = status.GetProperty("backends").EnumerateArray().Where(static lane => lane.GetProperty("kind").GetString() == "openai").ToList();

        lanes[0].GetProperty("key").GetString().ShouldBe("key1");
        lanes[0].GetProperty("key_state").GetString().ShouldBe("refused");
        lanes[0].GetProperty("failed").GetInt64().ShouldBe(1);
        lanes[1].GetProperty("breaker").GetString().ShouldBe("open");
        lanes[1].GetProperty("retry_after_seconds").GetDouble().ShouldBeInRange(0, 60);
        lanes[1].GetProperty("failed").GetInt64().ShouldBe(3);
        status.GetProperty("calls").GetProperty("succeeded").GetInt64().ShouldBe(0);
        var texts = Texts(await PageAsync(server));
        texts.ShouldContain("Ready, with trouble");
        texts.ShouldContain("Model m: none of its backends takes calls now.");
        texts.ShouldContain("Backend a, key1: the key is refused.");
        texts.ShouldContain("Backend b: the breaker is open.");
        texts.ShouldContain("\u2715 open");
        (await TextAsync(server, "/status")).ShouldNotContain("quokka");
        (await TextAsync(server, "/status.json")).ShouldNotContain("quokka");
    }

    [Fact]
    public async Task HostileNames_StayText()
    {
        const string name = "<script>alert(1)</script>\"'&";
        await using var upstream = Serving("ok");
        await using var server = await StartAsync([upstream], $"GrpcLlm:Models:m:Name={name}", $"GrpcLlm:DefaultModel={name}");
        (await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" })).Text.ShouldBe("ok");

        var page = await PageAsync(server);

        page.Descendants("script").ShouldHaveSingleItem();
        page.Descendants("th").ShouldContain(static cell => cell.Value == name);
        (await TextAsync(server, "/status")).ShouldNotContain("<script>alert");
    }

    [Fact]
    public async Task DrainingServer_SaysSo()
    {
        var backend = ScriptedBackend.Silent(Server.Backends.BackendEvent.TextDelta("a"));
        await using var server = await LlmServer.StartAsync(backend);
        using var running = server.Client.Generate(new GenerateRequest { Prompt = "p" }, cancellationToken: Cancelled);
        (await running.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();

        var stopping = server.StopAsync();

        (await FiguresAsync(server)).GetProperty("state").GetString().ShouldBe("draining");
        Texts(await PageAsync(server)).ShouldContain("Draining");
        running.Dispose();
        await stopping;
    }

    private static async Task<string> TextAsync(LlmServer server, string path)
    {
        using var http = new HttpClient();
        return await http.GetStringAsync(new Uri(server.OpsAddress, path), Cancelled);
    }

    private static async Task<JsonElement> FiguresAsync(LlmServer server) =>
        JsonElement.Parse(await TextAsync(server, "/status.json"));

    private static async Task<XDocument> PageAsync(LlmServer server)
    {
        using var text = new StringReader(await TextAsync(server, "/status"));
        using var reader = XmlReader.Create(text, new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore });
        return XDocument.Load(reader);
    }

    /// <summary>The texts of a page's innermost elements.</summary>
    private static IReadOnlyList<string> Texts(XDocument page) =>
        [.. page.Descendants().Where(static element => !element.HasElements).Select(static element => element.Value)];
}
