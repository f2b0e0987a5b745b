using System.Text.Json;
using GrpcLlm.FunctionalTests.Testing;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>Lines of Ollama's native API as it writes them, and a server with one such backend.</summary>
internal static class OllamaScript
{
    public const string MediaType = "application/x-ndjson";

    /// <summary>The last line: 26 input tokens, 9 output tokens.</summary>
    public static string Done(string reason = "stop") =>
        $$$"""{"model":"llama3.2","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":""},"done_reason":"{{{reason}}}","done":true,"total_duration":4883583458,"load_duration":1334875,"prompt_eval_count":26,"prompt_eval_duration":342546000,"eval_count":9,"eval_duration":4535599000}""" + "\n";

    /// <summary>A whole answer of text.</summary>
    public static string Complete(params string[] pieces) => string.Concat(pieces.Select(static piece => Text(piece))) + Done();

    public static string Text(string text) => Message($"\"content\":{JsonSerializer.Serialize(text)}");

    public static string Thinking(string text) => Message($"\"content\":\"\",\"thinking\":{JsonSerializer.Serialize(text)}");

    public static string Call(string name, string arguments) =>
        Message($$$"""
        "content":"","tool_calls":[{"function":{"name":"{{{name}}}","arguments":{{{arguments}}}}}]
        """);

    /// <summary>A line with a message of those members.</summary>
    public static string Message(string members) =>
        $$$"""{"model":"llama3.2","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant",{{{members}}}},"done":false}""" + "\n";

    /// <summary>A server whose default model is behind the upstream.</summary>
    public static Task<LlmServer> ServeAsync(TestUpstream upstream, params string[] settings) => LlmServer.StartAsync(
    [
        "GrpcLlm:Backends:up:Kind=ollama", $"GrpcLlm:Backends:up:BaseUrl={upstream.Address}",
        "GrpcLlm:Models:m:Routes:0:Backend=up", "GrpcLlm:Models:m:Routes:0:Model=llama3.2:1b", "GrpcLlm:DefaultModel=m", .. settings,
    ]);
}
