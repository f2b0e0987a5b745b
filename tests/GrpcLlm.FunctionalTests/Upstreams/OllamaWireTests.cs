using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Upstreams.OllamaScript;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>Ollama's native API as it should be, however its bytes come.</summary>
public sealed class OllamaWireTests
{
    private static readonly GenerateRequest Prompt = new() { Prompt = "p" };

    private static readonly string Whole = Thinking("Grüße ✓") + Text("naïve ").Replace("\\u00EF", "ï", StringComparison.Ordinal)
        + Text("日本語 ") + Message("\"content\":\"\\ud83d\"") + Message("\"content\":\"\\ude00 end\"") + Call("go", """{"x":"é"}""") + Done();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Generate_AsksAsTheApiWants()
    {
        await using var upstream = TestUpstream.Of(Complete("a"), MediaType);
        await using var server = await ServeAsync(upstream, "GrpcLlm:Backends:up:ContextWindow=8192");

        await Answer.OfAsync(server, Prompt);

        var call = await upstream.NextCallAsync();
        call.Method.ShouldBe("POST");
        call.Path.ShouldBe("/api/chat");
        call.Headers["content-type"].ShouldBe("application/json");
        call.Headers.ShouldNotContainKey("authorization");
        JsonNode.Parse(call.BodyText)!.ToJsonString().ShouldBe(
            """{"model":"llama3.2:1b","messages":[{"role":"user","content":"p"}],"stream":true,"truncate":false,"options":{"num_ctx":8192}}""");
    }

    [Fact]
    public async Task Generate_Key_IsABearer()
    {
        await using var upstream = TestUpstream.Of(Complete("a"), MediaType);
        await using var server = await ServeAsync(upstream, "GrpcLlm:Backends:up:ApiKeys:0=test-key-0123456789");

        await Answer.OfAsync(server, Prompt);

        (await upstream.NextCallAsync()).Headers["authorization"].ShouldBe("Bearer test-key-0123456789");
    }

    [Fact]
    public async Task Generate_ProviderOption_IsSentWhereAllowedAndRefusedWhereOwn()
    {
        await using var upstream = TestUpstream.Of(Complete("a"), MediaType);
        await using var server = await ServeAsync(upstream, "GrpcLlm:Backends:up:AllowedProviderOptions:0=keep_alive");
        var request = Prompt.Clone();
        request.ProviderOptionsJson["ollama"] = """{"keep_alive":"5m"}""";

        (await Answer.OfAsync(server, request)).Finish.Reason.ShouldBe(FinishReason.Stop);

        JsonNode.Parse((await upstream.NextCallAsync()).BodyText)!["keep_alive"]!.GetValue<string>().ShouldBe("5m");
        request.ProviderOptionsJson["ollama"] = """{"options":{"num_ctx":1}}""";
        (await Answer.OfAsync(server, request)).Reason.ShouldBe("INVALID_REQUEST");
    }

    [Fact]
    public async Task Generate_Text_IsToldWithModelAndBill()
    {
        await using var upstream = TestUpstream.Of(Complete("Hello", ", ", "world"), MediaType);
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("Hello, world");
        answer.Chunks[0].Text.ShouldBe("Hello");
        answer.Chunks[0].Started.BackendModel.ShouldBe("llama3.2");
        answer.Finish.Reason.ShouldBe(FinishReason.Stop);
        answer.Finish.BackendFinishReason.ShouldBe("stop");
        answer.Finish.StreamedTokens.ShouldBe(3u);
        answer.Finish.Usage.ShouldBe(new Usage { InputTokens = 26, OutputTokens = 9, Source = UsageSource.Reported });
        server.Logs.Errors.ShouldBeEmpty();
    }

    [Fact]
    public async Task Generate_UpstreamWaitsForTheClient_EveryLineIsDeliveredBeforeTheNext()
    {
        using var received = new SemaphoreSlim(0);
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync(contentType: MediaType);
            for (var i = 0; i < 20; i++)
            {
                await call.WriteAsync(Text($"{i} "));
                await received.WaitAsync(Cancelled);
            }

            await call.WriteAsync(Done());
            await call.EndAsync();
        });
        await using var server = await ServeAsync(upstream);
        using var call = server.Client.Generate(Prompt, cancellationToken: Cancelled);

        for (var i = 0; i < 20; i++)
        {
            (await call.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
            call.ResponseStream.Current.Text.ShouldBe($"{i} ");
            received.Release();
        }

        (await call.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
        call.ResponseStream.Current.Finish.Reason.ShouldBe(FinishReason.Stop);
    }

    [Fact]
    public async Task Body_SplitAtAnyByte_GivesTheSameAnswer()
    {
        var bytes = Encoding.UTF8.GetBytes(Whole);
        var next = 0;
        await using var upstream = TestUpstream.Start(async call =>
        {
            var at = Interlocked.Increment(ref next);
            await call.HeadAsync(contentType: MediaType);
            await call.WriteAsync(bytes.AsMemory(0, at));
            await call.WriteAsync(bytes.AsMemory(at));
            await call.EndAsync();
        });
        await using var server = await ServeAsync(upstream);

        for (var i = 1; i < bytes.Length; i += 5)
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
            await call.HeadAsync(contentType: MediaType);
            for (var i = 0; i < bytes.Length; i++) await call.WriteAsync(bytes.AsMemory(i, 1));
            await call.EndAsync();
        });
        await using var server = await ServeAsync(upstream);

        ShouldBeWhole(await Answer.OfAsync(server, Prompt));
    }

    // A body and its media type.
    public static TheoryData<string, string> Decorations => new()
    {
        { Whole, "application/json" },
        { Whole, "text/plain" },
        { Whole, "" },
        { Whole.Replace("\n", "\r\n", StringComparison.Ordinal), MediaType },
        { "\uFEFF\n" + Whole.Replace("\n", "\n\n \n", StringComparison.Ordinal), MediaType },
        { Whole.TrimEnd('\n'), MediaType },
        { Whole.Replace("}\n", "}", StringComparison.Ordinal), MediaType },
        { "data: " + Whole.TrimEnd('\n').Replace("\n", "\n\ndata:", StringComparison.Ordinal) + "\n\n", "text/event-stream" },
        { Whole.Replace("{\"model\"", "{\"new\":[{}],\"model\"", StringComparison.Ordinal), MediaType },
        { "{\"status\":\"loading\"}\n" + Whole + Text("behind the end"), MediaType },
    };

    [Theory]
    [MemberData(nameof(Decorations))]
    public async Task Body_Decorated_GivesTheSameAnswer(string body, string mediaType)
    {
        await using var upstream = TestUpstream.Of(body, mediaType);
        await using var server = await ServeAsync(upstream);

        ShouldBeWhole(await Answer.OfAsync(server, Prompt));
    }

    [Fact]
    public async Task Body_Compressed_GivesTheSameAnswer()
    {
        using var packed = new MemoryStream();
        await using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            await gzip.WriteAsync(Encoding.UTF8.GetBytes(Whole), Cancelled);
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync(200, MediaType, ("Content-Encoding", "gzip"));
            await call.WriteAsync(packed.ToArray());
            await call.EndAsync();
        });
        await using var server = await ServeAsync(upstream);

        ShouldBeWhole(await Answer.OfAsync(server, Prompt));
    }

    [Fact]
    public async Task Body_RandomUnicodeInRandomPieces_IsTheSameText()
    {
        var random = new Random(11);
        var original = string.Concat(Enumerable.Range(0, 400).Select(_ => RandomRune(random).ToString()));
        var body = new StringBuilder();
        for (var at = 0; at < original.Length;)
        {
            // Pieces of UTF-16, so that surrogate pairs are torn.
            var length = Math.Min(random.Next(1, 6), original.Length - at);
            var escaped = string.Concat(original.Substring(at, length)
                .Select(static one => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)one:x4}")));
            body.Append(Message($"\"content\":\"{escaped}\""));
            at += length;
        }

        await using var upstream = TestUpstream.Of(body.Append(Done()).ToString(), MediaType);
        await using var server = await ServeAsync(upstream);

        (await Answer.OfAsync(server, Prompt)).Text.ShouldBe(original);
    }

    [Fact]
    public async Task Body_InvalidUtf8_BecomesReplacementCharacters()
    {
        byte[] body = [.. Encoding.UTF8.GetBytes("""{"message":{"content":"a"""), 0xFF, .. Encoding.UTF8.GetBytes("b\"}}\n" + Done())];
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync(contentType: MediaType);
            await call.WriteAsync(body);
            await call.EndAsync();
        });
        await using var server = await ServeAsync(upstream);

        (await Answer.OfAsync(server, Prompt)).Text.ShouldBe("a\uFFFDb");
    }

    [Fact]
    public async Task Body_OneLineOfAMebibyte_ComesWhole()
    {
        var large = string.Concat(Enumerable.Repeat("0123456789abcdé😀", 1 << 16));
        await using var upstream = TestUpstream.Of(Complete("a", large), MediaType);
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("a" + large);
        answer.Chunks.ShouldAllBe(static chunk => chunk.CalculateSize() <= 1 << 20);
    }

    [Fact]
    public async Task Logprobs_ComeWithTheirTokens()
    {
        await using var upstream = TestUpstream.Of(
            """{"message":{"content":"hi"},"logprobs":[{"token":"h","logprob":-0.5,"bytes":[104]},{"token":"i","logprob":-1}]}""" + "\n" + Done(), MediaType);
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = "p", Output = new OutputOptions { Logprobs = true } });

        answer.Chunks[0].TokenCount.ShouldBe(2u);
        answer.Chunks[0].Tokens.Select(static one => one.Logprob).ShouldBe([-0.5f, -1f]);
    }

    [Fact]
    public async Task CountTokens_WithoutAnEndpoint_IsAnEstimate()
    {
        await using var upstream = TestUpstream.Of("", MediaType);
        await using var server = await ServeAsync(upstream);

        var count = await server.Client.CountTokensAsync(new CountTokensRequest { Prompt = "12345678" }, cancellationToken: Cancelled);

        count.InputTokens.ShouldBe(2u);
        count.Source.ShouldBe(UsageSource.Estimated);
        upstream.Connections.ShouldBe(0);
    }

    [Fact]
    public async Task ListModels_TellsWhatTheServerKnows()
    {
        await using var upstream = TestUpstream.Of("""{"capabilities":["completion","tools","thinking","vision","new"]}""", "application/json");
        await using var server = await ServeAsync(upstream);

        var models = await server.Client.ListModelsAsync(new ListModelsRequest(), cancellationToken: Cancelled);

        (await upstream.NextCallAsync()).Path.ShouldBe("/api/show");
        var model = models.Models.Single(static one => one.Name == "m");
        model.Capabilities.ShouldBe(
            [ModelCapability.Conversation, ModelCapability.Reasoning, ModelCapability.Tools, ModelCapability.JsonObject, ModelCapability.JsonSchema, ModelCapability.Seed],
            ignoreOrder: true);
        model.InputModalities.ShouldBe([Modality.Text, Modality.Image]);
    }

    private static void ShouldBeWhole(Answer answer)
    {
        answer.Status.StatusCode.ShouldBe(Grpc.Core.StatusCode.OK, answer.Status.Detail);
        string.Concat(answer.Chunks.Select(static chunk => chunk.Reasoning)).ShouldBe("Grüße ✓");
        answer.Text.ShouldBe("naïve 日本語 😀 end");
        var calls = answer.Chunks.Select(static chunk => chunk.ToolCall).OfType<ToolCallDelta>().ToList();
        calls[0].Name.ShouldBe("go");
        string.Concat(calls.Select(static one => one.ArgumentsFragment)).ShouldBe("""{"x":"é"}""");
        calls[^1].Done.ShouldBeTrue();
        answer.Chunks.Where(static chunk => chunk.DeltaCase != TokenChunk.DeltaOneofCase.None)
            .Select(static chunk => chunk.PartIndex).Distinct().ShouldBe([0u, 1u, 2u]);
        answer.Finish.Reason.ShouldBe(FinishReason.ToolCalls);
        answer.Finish.Usage.OutputTokens.ShouldBe(9u);
    }

    private static Rune RandomRune(Random random)
    {
        while (true)
        {
            if (Rune.TryCreate(random.Next(random.Next(2) == 0 ? 0x250 : 0x110000), out var rune)) return rune;
        }
    }
}
