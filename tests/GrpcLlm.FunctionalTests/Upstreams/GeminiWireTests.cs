using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Upstreams.GeminiScript;

namespace GrpcLlm.FunctionalTests.Upstreams;

/// <summary>The Gemini API as it should be, however its bytes come.</summary>
public sealed class GeminiWireTests
{
    private static readonly GenerateRequest Prompt = new() { Prompt = "p" };

    private static readonly string Whole = Thought("Grüße ✓") + Text("naïve ").Replace("\\u00EF", "ï", StringComparison.Ordinal)
        + Text("日本語 ") + Part("""{"text":"\ud83d"}""") + Part("""{"text":"\ude00 end"}""")
        + Part("""{"functionCall":{"name":"go","args":{"x":"é"}},"thoughtSignature":"c2ln"}""") + End();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Generate_AsksAsTheApiWants()
    {
        await using var upstream = TestUpstream.Of(Complete("a"));
        await using var server = await ServeAsync(upstream);

        await Answer.OfAsync(server, Prompt);

        var call = await upstream.NextCallAsync();
        call.Method.ShouldBe("POST");
        call.Path.ShouldBe("/v1beta/models/gemini-x:streamGenerateContent?alt=sse");
        call.Headers["x-goog-api-key"].ShouldBe(Key);
        call.Headers.ShouldNotContainKey("authorization");
        JsonNode.Parse(call.BodyText)!.ToJsonString().ShouldBe(
            """{"contents":[{"role":"user","parts":[{"text":"p"}]}],"generationConfig":{}}""");
    }

    [Fact]
    public async Task Generate_ProviderOption_IsSentWhereAllowedAndRefusedWhereOwn()
    {
        await using var upstream = TestUpstream.Of(Complete("a"));
        await using var server = await ServeAsync(upstream, "GrpcLlm:Backends:up:AllowedProviderOptions:0=safetySettings");
        var request = Prompt.Clone();
        request.ProviderOptionsJson["gemini"] = """{"safetySettings":[{"category":"c","threshold":"t"}]}""";

        (await Answer.OfAsync(server, request)).Finish.Reason.ShouldBe(FinishReason.Stop);

        JsonNode.Parse((await upstream.NextCallAsync()).BodyText)!["safetySettings"]![0]!["threshold"]!.GetValue<string>().ShouldBe("t");
        request.ProviderOptionsJson["gemini"] = """{"generationConfig":{"topK":1}}""";
        (await Answer.OfAsync(server, request)).Reason.ShouldBe("INVALID_REQUEST");
    }

    [Fact]
    public async Task Generate_Text_IsToldWithModelIdAndBill()
    {
        await using var upstream = TestUpstream.Of(Complete("Hello", ", ", "world"));
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("Hello, world");
        answer.Chunks[0].Text.ShouldBe("Hello");
        answer.Chunks[0].Started.InputTokens.ShouldBe(10u);
        answer.Chunks[0].Started.BackendModel.ShouldBe("gemini-x-001");
        answer.Finish.Reason.ShouldBe(FinishReason.Stop);
        answer.Finish.BackendFinishReason.ShouldBe("STOP");
        answer.Finish.BackendResponseId.ShouldBe("r1");
        answer.Finish.StreamedTokens.ShouldBe(3u);
        answer.Finish.Timing.TpotTokens.ShouldBe(5u);
        answer.Finish.Usage.ShouldBe(new Usage
        {
            InputTokens = 10, CachedInputTokens = 4, OutputTokens = 25, ReasoningTokens = 20, Source = UsageSource.Reported,
        });
        server.Logs.Errors.ShouldBeEmpty();
    }

    [Fact]
    public async Task Generate_UpstreamWaitsForTheClient_EveryEventIsDeliveredBeforeTheNext()
    {
        using var received = new SemaphoreSlim(0);
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            for (var i = 0; i < 20; i++)
            {
                await call.WriteAsync(Text($"{i} "));
                await received.WaitAsync(Cancelled);
            }

            await call.WriteAsync(End());
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
    public async Task Signatures_SentBackAsTheyCame_StandOnTheirParts()
    {
        await using var upstream = TestUpstream.Of(
            Thought("r") + Text("t") + Part("""{"text":"","thoughtSignature":"czE="}""")
            + Part("""{"functionCall":{"id":"f1","name":"go","args":{"x":1}},"thoughtSignature":"czI="}, {"functionCall":{"id":"f2","name":"go"}}""") + End());
        await using var server = await ServeAsync(upstream);
        var first = await Answer.OfAsync(server, Prompt);
        await upstream.NextCallAsync();

        var turn = new ConversationMessage { Role = Role.Assistant };
        foreach (var part in first.Chunks.Where(static chunk => chunk.Finish is null || chunk.DeltaCase != TokenChunk.DeltaOneofCase.None)
            .GroupBy(static chunk => chunk.PartIndex).OrderBy(static group => group.Key))
            turn.Parts.Add(Accumulated([.. part]));
        var request = new GenerateRequest
        {
            Conversation = new Conversation
            {
                Messages =
                {
                    new ConversationMessage { Role = Role.User, Parts = { new ContentPart { Text = "p" } } }, turn,
                    new ConversationMessage { Role = Role.Tool, Parts = { new ContentPart { ToolResult = new ToolResult { ToolCallId = "f1" } } } },
                },
            },
        };
        await Answer.OfAsync(server, request);

        JsonNode.Parse((await upstream.NextCallAsync()).BodyText)!["contents"]!.ToJsonString().ShouldBe(
            """[{"role":"user","parts":[{"text":"p"}]},{"role":"model","parts":[{"text":"r","thought":true},{"text":"t","thoughtSignature":"czE="},{"functionCall":{"id":"f1","name":"go","args":{"x":1}},"thoughtSignature":"czI="},{"functionCall":{"id":"f2","name":"go","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"id":"f1","name":"go","response":{"output":""}}}]}]""");
    }

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

    // A body and its media type.
    public static TheoryData<string, string> Decorations => new()
    {
        { Whole.Replace("\r\n", "\n", StringComparison.Ordinal), "text/event-stream; charset=utf-8" },
        { Whole.Replace("\r\n", "\r", StringComparison.Ordinal), "text/event-stream" },
        { Whole.Replace("data: ", "data:", StringComparison.Ordinal), "text/plain" },
        { "\uFEFF" + Whole, "text/event-stream" },
        { ": keep-alive\n\n\n\n" + Whole.Replace("\r\n\r\n", "\n\n: still here\n\n\n", StringComparison.Ordinal), "text/event-stream" },
        { Whole.Replace("data: ", "id: 7\nretry: 5\nunknown: x\ndata: ", StringComparison.Ordinal), "" },
        { Whole.Replace("{\"candidates\"", "{\"new\":[{}],\"candidates\"", StringComparison.Ordinal), "text/event-stream" },
        { Part("""{"executableCode":{"code":"x"}}, {"codeExecutionResult":{"output":"y"}}, {"toolCall":{"name":"z"}}""") + Whole, "text/event-stream" },
        { Whole.TrimEnd('\n', '\r'), "text/event-stream" },
        {
            "[" + string.Join(",\n", Whole.Split("\r\n\r\n", StringSplitOptions.RemoveEmptyEntries).Select(static one => one["data: ".Length..])) + "\n]\n",
            "application/json"
        },
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
            await call.HeadAsync(200, "text/event-stream", ("Content-Encoding", "gzip"));
            await call.WriteAsync(packed.ToArray());
            await call.EndAsync();
        });
        await using var server = await ServeAsync(upstream);

        ShouldBeWhole(await Answer.OfAsync(server, Prompt));
    }

    [Fact]
    public async Task Body_RandomUnicodeInRandomPieces_IsTheSameText()
    {
        var random = new Random(13);
        var original = string.Concat(Enumerable.Range(0, 400).Select(_ => RandomRune(random).ToString()));
        var body = new StringBuilder();
        for (var at = 0; at < original.Length;)
        {
            // Pieces of UTF-16, so that surrogate pairs are torn.
            var length = Math.Min(random.Next(1, 6), original.Length - at);
            var escaped = string.Concat(original.Substring(at, length)
                .Select(static one => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)one:x4}")));
            body.Append(Part($$"""{"text":"{{escaped}}"}"""));
            at += length;
        }

        await using var upstream = TestUpstream.Of(body.Append(End()).ToString());
        await using var server = await ServeAsync(upstream);

        (await Answer.OfAsync(server, Prompt)).Text.ShouldBe(original);
    }

    [Fact]
    public async Task Body_InvalidUtf8_BecomesReplacementCharacters()
    {
        byte[] body = [.. Encoding.UTF8.GetBytes("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a"), 0xFF, .. Encoding.UTF8.GetBytes("b\"}]}}]}\n\n" + End())];
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(body);
            await call.EndAsync();
        });
        await using var server = await ServeAsync(upstream);

        (await Answer.OfAsync(server, Prompt)).Text.ShouldBe("a\uFFFDb");
    }

    [Fact]
    public async Task Body_OneEventOfAMebibyte_ComesWhole()
    {
        var large = string.Concat(Enumerable.Repeat("0123456789abcdé😀", 1 << 16));
        await using var upstream = TestUpstream.Of(Complete("a", large));
        await using var server = await ServeAsync(upstream);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Text.ShouldBe("a" + large);
        answer.Chunks.ShouldAllBe(static chunk => chunk.CalculateSize() <= 1 << 20);
    }

    [Fact]
    public async Task CountTokens_AsksTheProvider()
    {
        await using var upstream = TestUpstream.Of("""{"totalTokens":31}""", "application/json");
        await using var server = await ServeAsync(upstream);

        var count = await server.Client.CountTokensAsync(new CountTokensRequest { Prompt = "p" }, cancellationToken: Cancelled);

        count.InputTokens.ShouldBe(31u);
        count.Source.ShouldBe(UsageSource.Reported);
        var call = await upstream.NextCallAsync();
        call.Path.ShouldBe("/v1beta/models/gemini-x:countTokens");
        call.Headers["x-goog-api-key"].ShouldBe(Key);
        JsonNode.Parse(call.BodyText)!.ToJsonString().ShouldBe(
            """{"generateContentRequest":{"model":"models/gemini-x","contents":[{"role":"user","parts":[{"text":"p"}]}],"generationConfig":{}}}""");
    }

    [Fact]
    public async Task CountTokens_ProviderCannotSay_IsAnEstimate()
    {
        await using var upstream = TestUpstream.Of("", "application/json", 503);
        await using var server = await ServeAsync(upstream);

        var count = await server.Client.CountTokensAsync(new CountTokensRequest { Prompt = "12345678" }, cancellationToken: Cancelled);

        count.InputTokens.ShouldBe(2u);
        count.Source.ShouldBe(UsageSource.Estimated);
    }

    [Fact]
    public async Task ListModels_TellsWhatTheProviderKnows()
    {
        await using var upstream = TestUpstream.Of(
            """{"name":"models/gemini-x","displayName":"Gemini X","description":"A model.","inputTokenLimit":1048576,"outputTokenLimit":65536,"thinking":true}""",
            "application/json");
        await using var server = await ServeAsync(upstream);

        var models = await server.Client.ListModelsAsync(new ListModelsRequest(), cancellationToken: Cancelled);

        (await upstream.NextCallAsync()).Path.ShouldBe("/v1beta/models/gemini-x");
        var model = models.Models.Single(static one => one.Name == "m");
        model.DisplayName.ShouldBe("Gemini X");
        model.ContextWindow.ShouldBe(1_048_576u);
        model.MaxOutputTokens.ShouldBe(65_536u);
        model.Capabilities.ShouldContain(ModelCapability.Reasoning);
    }

    private static ContentPart Accumulated(List<TokenChunk> chunks)
    {
        var part = new ContentPart { Signature = chunks.Find(static chunk => !chunk.Signature.IsEmpty)?.Signature ?? Google.Protobuf.ByteString.Empty };
        var calls = chunks.Select(static chunk => chunk.ToolCall).OfType<ToolCallDelta>().ToList();
        if (calls.Count > 0)
        {
            part.ToolCall = new ToolCall
            {
                Id = calls[0].Id, Name = calls[0].Name, ArgumentsJson = string.Concat(calls.Select(static one => one.ArgumentsFragment)),
            };
        }
        else if (chunks.Exists(static chunk => chunk.Reasoning.Length > 0)) part.Reasoning = string.Concat(chunks.Select(static chunk => chunk.Reasoning));
        else part.Text = string.Concat(chunks.Select(static chunk => chunk.Text));
        return part;
    }

    private static void ShouldBeWhole(Answer answer)
    {
        answer.Status.StatusCode.ShouldBe(StatusCode.OK, answer.Status.Detail);
        string.Concat(answer.Chunks.Select(static chunk => chunk.Reasoning)).ShouldBe("Grüße ✓");
        answer.Text.ShouldBe("naïve 日本語 😀 end");
        var calls = answer.Chunks.Select(static chunk => chunk.ToolCall).OfType<ToolCallDelta>().ToList();
        calls[0].Name.ShouldBe("go");
        string.Concat(calls.Select(static one => one.ArgumentsFragment)).ShouldBe("""{"x":"é"}""");
        calls[^1].Done.ShouldBeTrue();
        answer.Chunks.Where(static chunk => chunk.DeltaCase != TokenChunk.DeltaOneofCase.None)
            .Select(static chunk => chunk.PartIndex).Distinct().ShouldBe([0u, 1u, 2u]);
        answer.Chunks.Single(static chunk => !chunk.Signature.IsEmpty).PartIndex.ShouldBe(2u);
        answer.Finish.Reason.ShouldBe(FinishReason.ToolCalls);
        answer.Finish.Usage.OutputTokens.ShouldBe(25u);
    }

    private static Rune RandomRune(Random random)
    {
        while (true)
        {
            if (Rune.TryCreate(random.Next(random.Next(2) == 0 ? 0x250 : 0x110000), out var rune)) return rune;
        }
    }
}
