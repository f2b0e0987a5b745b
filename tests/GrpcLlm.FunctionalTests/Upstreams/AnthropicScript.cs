using System.Text.Json;
using GrpcLlm.FunctionalTests.Testing;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>Events of the messages API as it writes them, and a server with one such backend.</summary>
internal static class AnthropicScript
{
    /// <summary>Key that the server is given; it must appear nowhere.</summary>
    public const string Key = "sk-ant-test-0123456789abcdef";

    public const string Ping = "event: ping\ndata: {\"type\": \"ping\"}\n\n";

    /// <summary>The start of a message: 10 input tokens, 5 more from the cache and 2 written to it.</summary>
    public static string Start { get; } = Event(
        "message_start",
        """
        {"type":"message_start","message":{"id":"msg_01","type":"message","role":"assistant","model":"claude-x-20260101","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":2,"cache_read_input_tokens":5,"output_tokens":1}}}
        """);

    public static string Stop { get; } = Event("message_stop", """{"type":"message_stop"}""");

    /// <summary>A whole answer of one text block.</summary>
    public static string Complete(params string[] pieces) =>
        Start + Block(0, """{"type":"text","text":""}""") + Ping + string.Concat(pieces.Select(static piece => Text(0, piece)))
        + Stopped(0) + End("end_turn") + Stop;

    public static string Block(int index, string content) => Event(
        "content_block_start", $$"""{"type":"content_block_start","index":{{index}},"content_block":{{content}}}""");

    public static string Text(int index, string text) => Delta(index, "text_delta", "text", text);

    public static string Delta(int index, string type, string member, string value) => Event(
        "content_block_delta",
        $$$"""{"type":"content_block_delta","index":{{{index}}},"delta":{"type":"{{{type}}}","{{{member}}}":{{{JsonSerializer.Serialize(value)}}} }}""");

    public static string Stopped(int index) =>
        Event("content_block_stop", $$"""{"type":"content_block_stop","index":{{index}}}""");

    public static string End(string reason, int outputTokens = 9, string stopSequence = "null") => Event(
        "message_delta",
        $$$"""{"type":"message_delta","delta":{"stop_reason":"{{{reason}}}","stop_sequence":{{{stopSequence}}} },"usage":{"output_tokens":{{{outputTokens}}} }}""");

    public static string Error(string type, string message) => Event(
        "error", $$$"""{"type":"error","error":{"type":"{{{type}}}","message":"{{{message}}}"},"request_id":"req_1"}""");

    public static string Event(string name, string data) => $"event: {name}\ndata: {data}\n\n";

    /// <summary>A server whose default model is behind the upstream.</summary>
    public static Task<LlmServer> ServeAsync(TestUpstream upstream, params string[] settings) => LlmServer.StartAsync(
    [
        "GrpcLlm:Backends:up:Kind=anthropic", $"GrpcLlm:Backends:up:BaseUrl={upstream.Address}v1",
        $"GrpcLlm:Backends:up:ApiKeys:0={Key}", "GrpcLlm:Models:m:Routes:0:Backend=up",
        "GrpcLlm:Models:m:Routes:0:Model=claude-x", "GrpcLlm:DefaultModel=m", .. settings,
    ]);
}
