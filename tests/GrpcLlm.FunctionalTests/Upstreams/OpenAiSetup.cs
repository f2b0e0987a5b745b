using System.Text.Json;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>A server with one model of kind <c>openai</c> in front of a test's upstream, and what that upstream says.</summary>
internal static class OpenAiSetup
{
    public const string Key = "sk-test-0123456789abcdef";

    public const string Stop = """{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}""";

    public static GenerateRequest Prompt => new() { Prompt = "p" };

    /// <summary>Starts the server; its model is <c>m</c>.</summary>
    public static Task<LlmServer> StartAsync(TestUpstream upstream, params string[] settings) => LlmServer.StartAsync(
    [
        "GrpcLlm:Backends:up:Kind=openai", $"GrpcLlm:Backends:up:BaseUrl={upstream.Address}v1", $"GrpcLlm:Backends:up:ApiKeys:0={Key}",
        "GrpcLlm:Models:m:Routes:0:Backend=up", "GrpcLlm:DefaultModel=m", .. settings,
    ]);

    /// <summary>A chunk with a delta of text.</summary>
    public static string Text(string text) => $$$"""{"choices":[{"index":0,"delta":{"content":{{{JsonSerializer.Serialize(text)}}}}}]}""";

    /// <summary>Server-sent events of these data.</summary>
    public static string Sse(params string[] data) => string.Concat(data.Select(static one => $"data: {one}\n\n"));

    /// <summary>Answers a prompt with these data.</summary>
    public static async Task<Answer> AnswerAsync(params string[] data)
    {
        await using var upstream = TestUpstream.Of(Sse(data));
        await using var server = await StartAsync(upstream);
        var answer = await Answer.OfAsync(server, Prompt);
        server.Logs.Errors.ShouldBeEmpty();
        return answer;
    }
}
