using System.Text.Json;
using GrpcLlm.Client;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Samples.FunctionCalling;
using static GrpcLlm.FunctionalTests.Upstreams.OpenAiSetup;

namespace GrpcLlm.FunctionalTests.Samples;

/// <summary>The sample's code, the client, the real server and a scripted provider, all over real sockets.</summary>
public sealed class FunctionCallingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task FunctionLoop_OverTheServer_CarriesOutCallsAndPrintsTheAnswer()
    {
        await using var upstream = Upstream(
            Sse(
                Call("""{"index":0,"id":"call00001","type":"function","function":{"name":"temperature","arguments":""}}"""),
                Call("""{"index":0,"function":{"arguments":"{\"city\": \"Be"}}"""),
                Call("""{"index":0,"function":{"arguments":"rn\"}"}}"""),
                Call("""{"index":1,"id":"call00002","type":"function","function":{"name":"temperature","arguments":"{\"city\": \"Atlantis\"}"}}"""),
                """{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"""),
            Sse(Text("It is 21.5 degrees "), Text("in Bern."), Stop));
        await using var server = await StartAsync(upstream);
        await using var client = new GrpcLlmClient(server.Address);
        await using var output = new StringWriter { NewLine = "\n" };
        await using var log = new StringWriter { NewLine = "\n" };

        await WeatherAssistant.AnswerAsync(client, "m", "How warm is it in Bern?", output, log, Token);

        output.ToString().ShouldBe("It is 21.5 degrees in Bern.\n");
        log.ToString().ShouldBe("temperature(Bern)\ntemperature(Atlantis)\n");
        server.Logs.Errors.ShouldBeEmpty();

        using var first = JsonDocument.Parse((await upstream.NextCallAsync()).Body);
        using var second = JsonDocument.Parse((await upstream.NextCallAsync()).Body);
        var function = first.RootElement.GetProperty("tools")[0].GetProperty("function");
        function.GetProperty("name").GetString().ShouldBe("temperature");
        function.GetProperty("parameters").GetProperty("properties").GetProperty("city").GetProperty("description").GetString()
            .ShouldBe("Name of the city.");
        var messages = second.RootElement.GetProperty("messages").EnumerateArray().ToList();
        messages.Select(message => message.GetProperty("role").GetString()).ShouldBe(["system", "user", "assistant", "tool", "tool"]);
        messages[2].GetProperty("tool_calls").EnumerateArray().Select(call => call.GetProperty("id").GetString())
            .ShouldBe(["call00001", "call00002"]);
        messages[3].GetProperty("tool_call_id").GetString().ShouldBe("call00001");
        messages[3].GetRawText().ShouldContain("21.5");
        messages[4].GetProperty("tool_call_id").GetString().ShouldBe("call00002");
        messages[4].GetRawText().ShouldContain("the function failed");
        messages[4].GetRawText().ShouldNotContain("station");
    }

    [Fact]
    public async Task FunctionLoop_ModelThatCannotCallFunctions_IsToldByName()
    {
        await using var server = await LlmServer.StartAsync();
        await using var client = new GrpcLlmClient(server.Address);
        await using var output = new StringWriter();

        var failure = await Should.ThrowAsync<GenerationException>(
            WeatherAssistant.AnswerAsync(client, "simulator", "How warm?", output, TextWriter.Null, Token));

        failure.ReasonName.ShouldBe("INVALID_REQUEST");
        failure.Violations.ShouldContain(violation => violation.Field.StartsWith("tools", StringComparison.Ordinal));
    }

    private static string Call(string call) => $$$"""{"choices":[{"index":0,"delta":{"tool_calls":[{{{call}}}]}}]}""";

    /// <summary>Answers one request after another.</summary>
    private static TestUpstream Upstream(params string[] answers)
    {
        var next = -1;
        return TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(answers[Interlocked.Increment(ref next)]);
            await call.EndAsync();
        });
    }
}
