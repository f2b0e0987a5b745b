using System.IO.Compression;
using System.Text;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Upstreams.AnthropicScript;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>The messages API however its bytes come: split, joined, compressed, decorated.</summary>
public sealed class AnthropicBytesTests
{
    private static readonly GenerateRequest Prompt = new() { Prompt = "p" };

    private static readonly string Whole = Start
        + Block(0, """{"type":"thinking","thinking":""}""") + Delta(0, "thinking_delta", "thinking", "Grüße ✓")
        + Delta(0, "signature_delta", "signature", "c2ln") + Stopped(0)
        + Block(1, """{"type":"text","text":""}""") + Text(1, "naïve ").Replace("\\u00EF", "ï", StringComparison.Ordinal)
        + RawText(1, "日本語 😀 ") + RawText(1, "\\ud83d") + RawText(1, "\\ude00 end") + Stopped(1)
        + Block(2, """{"type":"tool_use","id":"t1","name":"go","input":{}}""")
        + Delta(2, "input_json_delta", "partial_json", "{\"x\":\"é\"}") + Stopped(2) + End("tool_use") + Stop;

    [Fact]
    public async Task Body_SplitAtAnyByte_GivesTheSameAnswer()
    {
        var bytes = Encoding.UTF8.GetBytes(Whole);
        var next = 0;
        await using var upstream = TestUpstream.Start(async call =>
        {
            var at = Interlocked.Increment(ref next);
            await call.HeadAsync();
            await call.WriteAsync(bytes.AsMemory(0, at));
            await call.WriteAsync(bytes.AsMemory(at));
            await call.EndAsync();
        });
        await using var server = await ServeAsync(upstream);

        for (var i = 1; i < bytes.Length; i += 7)
        {
            next = i - 1;
            ShouldBeWhole(await Answer.OfAsync(server, Prompt));
        }
    }

    [Fact]
    public async Task Body_ByteByByte_GivesTheSameAnswer()
    {
        var bytes = Encoding.UTF8.GetBytes(Whole);
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            for (var i = 0; i < bytes.Length; i++) await call.WriteAsync(bytes.AsMemory(i, 1));
            await call.EndAsync();
        });
        await using var server = await ServeAsync(upstream);

        ShouldBeWhole(await Answer.OfAsync(server, Prompt));
    }

    [Fact]
    public async Task Body_RandomUnicodeInRandomPieces_IsTheSameText()
    {
        var random = new Random(7);
        var original = string.Concat(Enumerable.Range(0, 400).Select(_ => RandomRune(random).ToString()));
        var body = new StringBuilder(Start).Append(Block(0, """{"type":"text","text":""}"""));
        for (var at = 0; at < original.Length;)
        {
            // Pieces of UTF-16, so that surrogate pairs are torn.
            var length = Math.Min(random.Next(1, 6), original.Length - at);
            body.Append(RawText(0, string.Concat(original.Substring(at, length).Select(static one => $"\\u{(int)one:x4}"))));
            at += length;
        }

        await using var upstream = TestUpstream.Of(body.Append(Stopped(0)).Append(End("end_turn")).Append(Stop).ToString());
        await using var server = await ServeAsync(upstream);

        (await Answer.OfAsync(server, Prompt)).Text.ShouldBe(original);
    }

    public static TheoryData<string> Decorations => new()
    {
        Whole.Replace("\n", "\r\n", StringComparison.Ordinal),
        Whole.Replace("\n", "\r", StringComparison.Ordinal),
        Whole.Replace("data: ", "data:", StringComparison.Ordinal),
        "\uFEFF" + Whole,
        ": keep-alive\n\n\n\n" + Whole.Replace("\n\n", "\n\n: still here\n\n\n", StringComparison.Ordinal),
        Whole.Replace("event: ", "id: 7\nretry: 5\nunknown: x\nevent: ", StringComparison.Ordinal),
        Whole.Replace("event: content_block_delta\n", "", StringComparison.Ordinal),
        Whole.Replace("{\"type\":\"content_block_delta\",", "{\"new\":[{}],\"type\":\"content_block_delta\",", StringComparison.Ordinal),
        Whole.Replace("event: content_block_stop", "event: surprise\ndata: {\"type\":\"surprise\",\"text\":\"no\"}\n\nevent: content_block_stop", StringComparison.Ordinal),
        Whole.TrimEnd('\n'),
        Whole[..^Stop.Length],
        Whole[..^Stop.Length] + "data: [DONE]\n\n",
    };

    [Theory]
    [MemberData(nameof(Decorations))]
    public async Task Body_Decorated_GivesTheSameAnswer(string body)
    {
        await using var upstream = TestUpstream.Of(body);
        await using var server = await ServeAsync(upstream);

        ShouldBeWhole(await Answer.OfAsync(server, Prompt));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("deflate")]
    public async Task Body_CompressedUnasked_IsRead(string encoding)
    {
        using var packed = new MemoryStream();
        await using (Stream pack = encoding switch
        {
            "gzip" => new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true),
            "br" => new BrotliStream(packed, CompressionLevel.Fastest, leaveOpen: true),
            _ => new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true),
        }) await pack.WriteAsync(Encoding.UTF8.GetBytes(Whole), TestContext.Current.CancellationToken);
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync(200, "text/event-stream", ("Content-Encoding", encoding));
            await call.WriteAsync(packed.ToArray());
            await call.EndAsync();
        });
        await using var server = await ServeAsync(upstream);

        ShouldBeWhole(await Answer.OfAsync(server, Prompt));
    }

    [Fact]
    public async Task Event_OfOneMebibyte_IsDeliveredWhole()
    {
        var text = string.Concat(Enumerable.Repeat("0123456789abcdé", 70_000));
        await using var upstream = TestUpstream.Of(Start + Block(0, """{"type":"text","text":""}""") + RawText(0, text)
            + Stopped(0) + End("end_turn") + Stop);
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe(text);
        answer.Chunks.ShouldAllBe(static chunk => chunk.CalculateSize() <= 1 << 20);
    }

    [Fact]
    public async Task InvalidUtf8_BecomesReplacementCharacters()
    {
        byte[] body =
        [
            .. Encoding.UTF8.GetBytes(Start + Block(0, """{"type":"text","text":""}""")),
            .. Encoding.UTF8.GetBytes("data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a"),
            0xFF, 0xC3,
            .. Encoding.UTF8.GetBytes("b\"}}\n\n" + Stopped(0) + End("end_turn") + Stop),
        ];
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(body);
            await call.EndAsync();
        });
        await using var server = await ServeAsync(upstream);

        (await Answer.OfAsync(server, Prompt)).Text.ShouldBe("a\uFFFD\uFFFDb");
    }

    /// <summary>A delta whose text stands as it is, escapes included.</summary>
    private static string RawText(int index, string text) => Event(
        "content_block_delta",
        $$$"""{"type":"content_block_delta","index":{{{index}}},"delta":{"type":"text_delta","text":"{{{text}}}"}}""");

    private static void ShouldBeWhole(Answer answer)
    {
        answer.Status.StatusCode.ShouldBe(StatusCode.OK, answer.Status.Detail);
        answer.Text.ShouldBe("naïve 日本語 😀 😀 end");
        string.Concat(answer.Chunks.Select(static one => one.Reasoning)).ShouldBe("Grüße ✓");
        string.Concat(answer.Chunks.Select(static one => one.ToolCall?.ArgumentsFragment)).ShouldBe("{\"x\":\"é\"}");
        answer.Chunks.Count(static one => one.ToolCall is { Done: true }).ShouldBe(1);
        answer.Chunks.Count(static one => !one.Signature.IsEmpty).ShouldBe(1);
        answer.Finish.Reason.ShouldBe(FinishReason.ToolCalls);
        answer.Finish.Usage.OutputTokens.ShouldBe(9u);
        answer.Chunks.Select(static one => one.Sequence).ShouldBe(Enumerable.Range(1, answer.Chunks.Count).Select(static i => (ulong)i));
    }

    private static Rune RandomRune(Random random)
    {
        while (true)
        {
            if (Rune.TryCreate(random.Next(3) == 0 ? random.Next(0x10000, 0x110000) : random.Next(1, 0xFFFF), out var rune)) return rune;
        }
    }
}
