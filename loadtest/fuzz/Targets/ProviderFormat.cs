using System.Globalization;
using System.Text;
using GrpcLlm.Server.Backends.Anthropic;
using GrpcLlm.Server.Backends.Gemini;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.Server.Backends.Ollama;
using GrpcLlm.Server.Backends.OpenAi;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>A kind of provider: what reads its answers, and how a plain answer of text is written.</summary>
/// <param name="Kind">Kind in configuration.</param>
/// <param name="Provider">What reads.</param>
/// <param name="Piece">The document of a piece of text, given as JSON.</param>
/// <param name="Start">Documents before the first piece.</param>
/// <param name="End">Documents behind the last piece.</param>
internal sealed record ProviderFormat(string Kind, Provider Provider, Func<string, string> Piece, string[] Start, string[] End)
{
    public static HttpBackendOptions Timeouts { get; } = new()
    {
        BaseUrl = "http://127.0.0.1:1/v1", FirstTokenTimeout = TimeSpan.FromHours(1), IdleTimeout = TimeSpan.FromHours(1),
    };

    public static ProviderFormat OpenAi { get; } = new(
        "openai", new OpenAiProvider(new OpenAiOptions { BaseUrl = Timeouts.BaseUrl }),
        static text => $$$"""{"id":"r","choices":[{"index":0,"delta":{"content":{{{text}}}}}]}""",
        ["""{"id":"r","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"""],
        ["""{"id":"r","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}""", "[DONE]"]);

    public static ProviderFormat Anthropic { get; } = new(
        "anthropic", new AnthropicProvider(new AnthropicOptions { BaseUrl = Timeouts.BaseUrl }),
        static text => $$$"""{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":{{{text}}}}}""",
        [
            """{"type":"message_start","message":{"id":"r","model":"m","usage":{"input_tokens":3,"output_tokens":1}}}""",
            """{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}""",
        ],
        [
            """{"type":"content_block_stop","index":0}""",
            """{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}""", """{"type":"message_stop"}""",
        ]);

    public static ProviderFormat Gemini { get; } = new(
        "gemini", new GeminiProvider(new GeminiOptions { BaseUrl = Timeouts.BaseUrl }),
        static text => $$$"""{"candidates":[{"content":{"parts":[{"text":{{{text}}}}],"role":"model"},"index":0}]}""",
        [],
        ["""{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":9}}"""]);

    public static ProviderFormat Ollama { get; } = new(
        "ollama", new OllamaProvider(new OllamaOptions { BaseUrl = Timeouts.BaseUrl }),
        static text => $$$"""{"model":"m","message":{"role":"assistant","content":{{{text}}}},"done":false}""",
        [],
        ["""{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":9}"""]);

    /// <summary>The media type that it answers with.</summary>
    public string MediaType => Provider.Format == BodyFormat.JsonLines ? "application/x-ndjson" : "text/event-stream";

    /// <summary>A valid answer of random text, sent in one of the ways that servers have; with that text.</summary>
    public byte[] WriteAnswer(Random random)
    {
        var text = RandomText(random);
        List<string> documents = [.. Start, .. Cut(random, text).Select(piece => Piece(Quote(random, piece))), .. End];
        var newLine = random.GetItems(["\n", "\r\n", "\r"], 1)[0];
        var isLines = Provider.Format == BodyFormat.JsonLines;
        if (isLines && newLine == "\r") newLine = "\n";
        var body = new StringBuilder(random.Next(4) == 0 ? "\uFEFF" : "");
        foreach (var document in documents)
        {
            if (!isLines && random.Next(4) == 0) body.Append(": keep-alive").Append(newLine);
            if (random.Next(8) == 0) body.Append(newLine);
            if (!isLines) body.Append(random.Next(2) == 0 ? "data: " : "data:");
            body.Append(document).Append(newLine);
            if (!isLines) body.Append(newLine);
        }

        return Encoding.UTF8.GetBytes(StreamInput.Line(("type", MediaType), ("text", StreamInput.Encode(text))) + body);
    }

    private static string RandomText(Random random)
    {
        string[] parts = ["a", "word ", "\n", "\r\n", "\"", "\\", "é", "€", "😀", "👩‍👩‍👧", "\u2028", "\0", "data: ", "[DONE]", "{\"a\":1}", "\uFEFF", "\uFFFD"];
        return string.Concat(random.GetItems(parts, random.Next(1, 30)));
    }

    private static IEnumerable<string> Cut(Random random, string text)
    {
        for (var start = 0; start < text.Length;)
        {
            var length = Math.Min(random.Next(1, 6), text.Length - start);
            yield return text.Substring(start, length);
            start += length;
        }
    }

    /// <summary>As JSON, each character escaped or not as chance has it; half a surrogate pair always is.</summary>
    private static string Quote(Random random, string text)
    {
        var json = new StringBuilder("\"");
        for (var at = 0; at < text.Length; at++)
        {
            var one = text[at];
            if (char.IsHighSurrogate(one) && at + 1 < text.Length && random.Next(2) == 0) json.Append(one).Append(text[++at]);
            else if (char.IsControl(one) || char.IsSurrogate(one) || one is '"' or '\\' || random.Next(6) == 0)
                json.Append(CultureInfo.InvariantCulture, $"\\u{(int)one:x4}");
            else json.Append(one);
        }

        return json.Append('"').ToString();
    }
}
