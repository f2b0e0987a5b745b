using System.IO.Compression;
using System.Text;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>The same answer in every form in which bytes may arrive.</summary>
public sealed class OpenAiWireTests
{
    private const string Finish = """{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}""";

    // Names of bodies that all say "Grüße 😀!", and the bodies.
    public static TheoryData<string, string> Forms => new()
    {
        { "line feeds", Events("\n", "data: ") },
        { "carriage returns and line feeds", Events("\r\n", "data: ") },
        { "carriage returns", Events("\r", "data: ") },
        { "no space behind the colon", Events("\n", "data:") },
        { "a byte order mark", "\uFEFF" + Events("\n", "data: ") },
        { "comments and blank lines", ": OPENROUTER PROCESSING\n\n\n: keep-alive\n\n" + Events("\n", ": x\nid: 7\nretry: 5\ndata: ") },
        { "events of unknown types", "event: ping\ndata: {}\n\nevent: status\ndata: on\n\n" + Events("\n", "data: ") },
        { "nothing behind the finish reason", Events("\n", "data: ").Replace("data: [DONE]\n\n", "", StringComparison.Ordinal) },
        { "no blank line at the end", Events("\n", "data: ").TrimEnd('\n') },
    };

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Body_InAnyForm_GivesTheSameText(string form, string body)
    {
        await using var upstream = TestUpstream.Of(body);
        await using var server = await OpenAiSetup.StartAsync(upstream);

        var answer = await Answer.OfAsync(server, OpenAiSetup.Prompt);

        answer.Text.ShouldBe("Grüße 😀!", form);
        answer.Finish.Reason.ShouldBe(FinishReason.Stop);
        answer.Finish.BackendFinishReason.ShouldBe("stop");
    }

    [Fact]
    public async Task Body_SplitAtAnyByte_GivesTheSameText()
    {
        var body = Encoding.UTF8.GetBytes(Events("\r\n", "data: "));
        var at = 0;
        await using var upstream = TestUpstream.Start(async call =>
        {
            var split = Interlocked.Increment(ref at);
            await call.HeadAsync();
            await call.WriteAsync(body.AsMemory(0, split));
            await call.WriteAsync(body.AsMemory(split));
            await call.EndAsync();
        });
        await using var server = await OpenAiSetup.StartAsync(upstream);

        while (at < body.Length - 1)
        {
            var answer = await Answer.OfAsync(server, OpenAiSetup.Prompt);
            answer.Text.ShouldBe("Grüße 😀!", $"split at {at}");
            answer.Chunks.Select(chunk => chunk.Sequence).ShouldBe(Enumerable.Range(1, answer.Chunks.Count).Select(n => (ulong)n));
        }
    }

    [Fact]
    public async Task Body_ByteByByte_GivesTheSameText()
    {
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            foreach (var one in Encoding.UTF8.GetBytes(Events("\n", "data: "))) await call.WriteAsync(new[] { one });
            await call.EndAsync();
        });
        await using var server = await OpenAiSetup.StartAsync(upstream);

        (await Answer.OfAsync(server, OpenAiSetup.Prompt)).Text.ShouldBe("Grüße 😀!");
    }

    [Fact]
    public async Task EventsOfOneRead_AreDeliveredApartThoughNothingFollows()
    {
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(OpenAiSetup.Sse(OpenAiSetup.Text("a")));
            await call.WriteAsync(OpenAiSetup.Sse(OpenAiSetup.Text("b"), OpenAiSetup.Text("c")) + ": keep-alive\n\n");
            await call.SilenceAsync();
        });
        await using var server = await OpenAiSetup.StartAsync(upstream);
        using var call = server.Client.Generate(OpenAiSetup.Prompt, cancellationToken: TestContext.Current.CancellationToken);

        var texts = new List<string>();
        while (string.Concat(texts).Length < 3 && await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken))
            texts.Add(call.ResponseStream.Current.Text);

        texts.ShouldBe(["a", "b", "c"]);
    }

    [Fact]
    public async Task SurrogatePair_SplitAcrossEvents_ComesOutWhole()
    {
        await using var upstream = TestUpstream.Of(OpenAiSetup.Sse(
            """{"choices":[{"delta":{"content":"a\ud83d"}}]}""", """{"choices":[{"delta":{"content":"\ude00b\ud800"}}]}""", Finish));
        await using var server = await OpenAiSetup.StartAsync(upstream);

        var answer = await Answer.OfAsync(server, OpenAiSetup.Prompt);

        answer.Text.ShouldBe("a😀b\uFFFD");
        answer.Finish.StreamedTokens.ShouldBe(2u);
    }

    [Fact]
    public async Task InvalidUtf8_IsReplacedAndNothingElseLost()
    {
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync("data: {\"choices\":[{\"delta\":{\"content\":\"a");
            await call.WriteAsync(new byte[] { 0xff });
            await call.WriteAsync($"b\"}}}}]}}\n\n{OpenAiSetup.Sse(Finish)}");
            await call.EndAsync();
        });
        await using var server = await OpenAiSetup.StartAsync(upstream);

        (await Answer.OfAsync(server, OpenAiSetup.Prompt)).Text.ShouldBe("a\uFFFDb");
    }

    [Fact]
    public async Task OneEventOfAMebibyte_ArrivesWhole()
    {
        var text = string.Concat(Enumerable.Repeat("0123456789é", 100_000));
        await using var upstream = TestUpstream.Of(OpenAiSetup.Sse($$$"""{"choices":[{"delta":{"content":"{{{text}}}"}}]}""", Finish));
        await using var server = await OpenAiSetup.StartAsync(upstream);

        var answer = await Answer.OfAsync(server, OpenAiSetup.Prompt);

        answer.Text.ShouldBe(text);
        answer.Chunks.ShouldAllBe(chunk => chunk.CalculateSize() <= 1 << 20);
        answer.Finish.StreamedTokens.ShouldBe(1u);
    }

    [Theory]
    [InlineData("application/x-ndjson")]
    [InlineData("application/json; charset=utf-8")]
    public async Task LinesOfJson_AreReadToo(string contentType)
    {
        await using var upstream = TestUpstream.Of(
            $"{OpenAiSetup.Text("Hel")}\n\n{OpenAiSetup.Text("lo")}\r\ndata: {Finish}\n[DONE]\n", contentType);
        await using var server = await OpenAiSetup.StartAsync(upstream);

        var answer = await Answer.OfAsync(server, OpenAiSetup.Prompt);

        answer.Text.ShouldBe("Hello");
        answer.Finish.Reason.ShouldBe(FinishReason.Stop);
    }

    [Fact]
    public async Task WholeCompletionInsteadOfAStream_IsRead()
    {
        await using var upstream = TestUpstream.Of(
            """
            {
              "id": "r", "model": "m-1", "object": "chat.completion",
              "choices": [ { "index": 0, "message": { "role": "assistant", "content": "Hi { there" }, "finish_reason": "stop" } ],
              "usage": { "prompt_tokens": 4, "completion_tokens": 2 }
            }
            """,
            "application/json");
        await using var server = await OpenAiSetup.StartAsync(upstream);

        var answer = await Answer.OfAsync(server, OpenAiSetup.Prompt);

        answer.Text.ShouldBe("Hi { there");
        answer.Finish.Usage.OutputTokens.ShouldBe(2u);
        answer.Finish.BackendModel.ShouldBe("m-1");
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("deflate")]
    public async Task CompressedBody_IsRead(string encoding)
    {
        using var compressed = new MemoryStream();
        await using (Stream into = encoding switch
        {
            "gzip" => new GZipStream(compressed, CompressionLevel.Fastest, leaveOpen: true),
            "br" => new BrotliStream(compressed, CompressionLevel.Fastest, leaveOpen: true),
            _ => new ZLibStream(compressed, CompressionLevel.Fastest, leaveOpen: true),
        })
        {
            await into.WriteAsync(Encoding.UTF8.GetBytes(Events("\n", "data: ")), TestContext.Current.CancellationToken);
        }

        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync(headers: ("Content-Encoding", encoding));
            await call.WriteAsync(compressed.ToArray());
            await call.EndAsync();
        });
        await using var server = await OpenAiSetup.StartAsync(upstream);

        (await Answer.OfAsync(server, OpenAiSetup.Prompt)).Text.ShouldBe("Grüße 😀!");
    }

    [Fact]
    public async Task EventThatArrived_IsWrittenBeforeTheNextIsAwaited()
    {
        using var received = new SemaphoreSlim(1);
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            for (var i = 0; i < 20; i++)
            {
                await received.WaitAsync(TestContext.Current.CancellationToken);
                await call.WriteAsync($"data: {OpenAiSetup.Text($"{i} ")}\n\n");
            }

            await call.WriteAsync(OpenAiSetup.Sse(Finish));
            await call.EndAsync();
        });
        await using var server = await OpenAiSetup.StartAsync(upstream);
        using var call = server.Client.Generate(OpenAiSetup.Prompt, cancellationToken: TestContext.Current.CancellationToken);

        var chunks = 0;
        while (await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken))
        {
            chunks++;
            received.Release();
        }

        chunks.ShouldBe(21);
    }

    private static string Events(string newLine, string prefix)
    {
        string[] data =
        [
            """{"id":"r","model":"m-1","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}""",
            OpenAiSetup.Text("Gr"), OpenAiSetup.Text("üße"), """{"choices":[{"index":0,"delta":{}}],"new":{"field":[1]}}""",
            OpenAiSetup.Text(" 😀"), """{"choices":[{"index":0,"delta":{"content":"\u0021"}}]}""", Finish,
            """{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}""", "[DONE]",
        ];
        return string.Concat(data.Select(one => prefix.Replace("\n", newLine, StringComparison.Ordinal) + one + newLine + newLine));
    }
}
