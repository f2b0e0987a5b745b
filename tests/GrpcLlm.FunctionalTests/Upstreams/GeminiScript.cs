using System.Text.Json;
using GrpcLlm.FunctionalTests.Testing;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>Events of the Gemini API as it writes them, and a server with one such backend.</summary>
internal static class GeminiScript
{
    /// <summary>Key that the server is given; it must appear nowhere.</summary>
    public const string Key = "AIzaSyTest-0123456789abcdefghijklmnopqr";

    /// <summary>The last event: 10 input tokens of which 4 were cached, 5 of text and 20 of thoughts.</summary>
    public static string End(string reason = "STOP") => Event(
        $$$"""{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"{{{reason}}}","index":0}],"usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":20,"totalTokenCount":35},"modelVersion":"gemini-x-001","responseId":"r1"}""");

    /// <summary>A whole answer of text.</summary>
    public static string Complete(params string[] pieces) => string.Concat(pieces.Select(static piece => Text(piece))) + End();

    public static string Text(string text) => Part($$"""{"text":{{JsonSerializer.Serialize(text)}}}""");

    public static string Thought(string text) => Part($$"""{"text":{{JsonSerializer.Serialize(text)}},"thought":true}""");

    /// <summary>An event with parts; its usage does not know of the candidate yet.</summary>
    public static string Part(string parts) => Event(
        $$$"""{"candidates":[{"content":{"parts":[{{{parts}}}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":10,"totalTokenCount":10},"modelVersion":"gemini-x-001","responseId":"r1"}""");

    // The API ends its lines like this.
    public static string Event(string data) => $"data: {data}\r\n\r\n";

    /// <summary>A server whose default model is behind the upstream.</summary>
    public static Task<LlmServer> ServeAsync(TestUpstream upstream, params string[] settings) => LlmServer.StartAsync(
    [
        "GrpcLlm:Backends:up:Kind=gemini", $"GrpcLlm:Backends:up:BaseUrl={upstream.Address}v1beta",
        $"GrpcLlm:Backends:up:ApiKeys:0={Key}", "GrpcLlm:Models:m:Routes:0:Backend=up",
        "GrpcLlm:Models:m:Routes:0:Model=gemini-x", "GrpcLlm:DefaultModel=m", .. settings,
    ]);
}
