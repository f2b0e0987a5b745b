using System.Text.Json;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using Microsoft.Extensions.Configuration;
using static GrpcLlm.FunctionalTests.Upstreams.OpenAiSetup;

namespace GrpcLlm.FunctionalTests.Telemetry;

/// <summary>Prompts and answers are written only where the operator says so, loudly, and never what is to be hidden.</summary>
public sealed class ContentLogTests
{
    private const string Event = "Information GrpcLlm.Content gen_ai.client.inference.operation.details ";
    private const string Warning = "Warning GrpcLlm.Content ContentIsLogged PROMPTS AND ANSWERS ARE LOGGED";
    private const string On = "GrpcLlm:Telemetry:LogContent=true";

    private static readonly string[] Redactions =
    [
        @"GrpcLlm:Telemetry:Redactions:0:Pattern=\b[0-9]{4}-[0-9]{4}\b",
        @"GrpcLlm:Telemetry:Redactions:1:Pattern=(user)@[a-z.]+", "GrpcLlm:Telemetry:Redactions:1:Replacement=$1@…",
    ];

    [Fact]
    public async Task Off_NothingIsWritten_NothingIsSaid()
    {
        using var spans = new CollectedSpans();
        await using var upstream = TestUpstream.Of(Sse(Text("answer-text"), Stop));
        await using var server = await StartAsync(upstream, Redactions);

        await CallAsync(server, new GenerateRequest { Prompt = "prompt-text" }, spans);

        await spans.CallEndedAsync();
        server.Logs.Lines.ShouldNotContain(static line => line.Contains("GrpcLlm.Content", StringComparison.Ordinal)
            || line.Contains("-text", StringComparison.Ordinal));
        spans.Ended.SelectMany(static span => CollectedSpans.Tags(span)).ShouldNotContain(static tag => tag.Contains("-text", StringComparison.Ordinal));
    }

    [Fact]
    public async Task On_WarnsAtTheStart()
    {
        await using var server = await LlmServer.StartAsync([On, .. Redactions]);

        server.Logs.Lines.Single(static line => line.StartsWith(Warning, StringComparison.Ordinal))
            .ShouldContain("with 2 redactions and at most 32768 bytes");
    }

    [Fact]
    public async Task On_PromptAndAnswerAreOneEvent_RedactedOverTheJoinedText_AndOnTheAttemptsSpan()
    {
        using var spans = new CollectedSpans();
        await using var upstream = TestUpstream.Of(Sse(Text("card 12"), Text("34-5"), Text("678 is\nuser@ex"), Text("ample.com's"), Stop));
        await using var server = await StartAsync(upstream, [On, .. Redactions]);
        var request = new GenerateRequest
        {
            RequestId = "r-1",
            Conversation = new Conversation
            {
                Messages =
                {
                    new ConversationMessage { Role = Role.System, Parts = { new ContentPart { Text = "Be brief." } } },
                    new ConversationMessage { Role = Role.User, Parts = { new ContentPart { Text = "9999-0000?" } } },
                },
            },
        };

        (await CallAsync(server, request, spans)).Text.ShouldBe("card 1234-5678 is\nuser@example.com's");

        await spans.CallEndedAsync();
        var line = server.Logs.Lines.Single(static one => one.StartsWith(Event, StringComparison.Ordinal));
        line.ShouldNotContain("\n");
        line.ShouldContain("Content of generation r-1 of model m:");
        const string input = """[{"role":"system","parts":[{"type":"text","content":"Be brief."}]},{"role":"user","parts":[{"type":"text","content":"[redacted]?"}]}]""";
        line.ShouldContain($"input {input} output");
        var span = spans.Attempts.ShouldHaveSingleItem();
        span.GetTagItem("gen_ai.input.messages").ShouldBe(input);
        var output = JsonDocument.Parse(span.GetTagItem("gen_ai.output.messages").ShouldBeOfType<string>()).RootElement[0];
        output.GetProperty("finish_reason").GetString().ShouldBe("stop");
        output.GetProperty("parts")[0].GetProperty("content").GetString().ShouldBe("card [redacted] is\nuser@…'s");
        server.Logs.Lines.ShouldNotContain(static one => one.Contains("5678", StringComparison.Ordinal));
    }

    [Fact]
    public async Task On_CallThatFails_IsWrittenAsFarAsItCame()
    {
        await using var upstream = TestUpstream.Start(static async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(Sse(Text("half")));
            await call.EndAsync();
        });
        await using var server = await StartAsync(upstream, On);

        await Answer.OfAsync(server, Prompt);
        await server.Logs.NextUsageAsync();

        await Eventually.IsAsync(() => server.Logs.Lines.Any(static line => line.StartsWith(Event, StringComparison.Ordinal)
            && line.Contains("""output [{"role":"assistant","parts":[{"type":"text","content":"half"}],"finish_reason":"error"}]""", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task TurnedOn_WithAReload_SaysSo_AndCountsForNewCalls()
    {
        await using var upstream = TestUpstream.Of(Sse(Text("x"), Stop));
        using var file = new SettingsFile(Settings(upstream, logContent: false));
        await using var server = await LlmServer.StartAsync(
            null, builder => builder.Configuration.AddJsonFile(file.Path, optional: false, reloadOnChange: true));
        await Answer.OfAsync(server, new GenerateRequest { Model = "m", Prompt = "p" });
        server.Logs.Lines.ShouldNotContain(static line => line.Contains("GrpcLlm.Content", StringComparison.Ordinal));

        file.Write(Settings(upstream, logContent: true));
        await Eventually.IsAsync(() => server.Logs.Lines.Any(static line => line.StartsWith(Warning, StringComparison.Ordinal)));
        await Answer.OfAsync(server, new GenerateRequest { Model = "m", Prompt = "p" });

        await Eventually.IsAsync(() => server.Logs.Lines.Any(static line => line.StartsWith(Event, StringComparison.Ordinal)));
    }

    private static string Settings(TestUpstream upstream, bool logContent) => JsonSerializer.Serialize(new
    {
        GrpcLlm = new
        {
            Telemetry = new { LogContent = logContent },
            Backends = new { up = new { Kind = "openai", BaseUrl = $"{upstream.Address}v1" } },
            Models = new { m = new { Routes = new[] { new { Backend = "up" } } } },
        },
    });

    private static async Task<Answer> CallAsync(LlmServer server, GenerateRequest request, CollectedSpans spans)
    {
        using var call = server.Client.Generate(request, spans.Metadata, cancellationToken: TestContext.Current.CancellationToken);
        return await Answer.OfAsync(call);
    }
}
