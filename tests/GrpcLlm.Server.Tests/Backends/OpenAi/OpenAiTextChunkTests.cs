using System.Text;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.OpenAi;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.OpenAi;

/// <summary>The short way to read an ordinary chunk, and that it says what the general way says.</summary>
public sealed class OpenAiTextChunkTests
{
    private const string Frame = """{"id":"r1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"TEXT"},"logprobs":null,"finish_reason":null}],"usage":null}""";

    private readonly OpenAiTextChunk _chunk = new();

    [Fact]
    public void Read_OrdinaryChunk_GivesItsTextAndNotesItsNames()
    {
        Read(Frame.Replace("TEXT", "a", StringComparison.Ordinal)).ShouldBe("a");

        _chunk.Id.ShouldBe("r1");
        _chunk.Model.ShouldBe("m");
    }

    [Theory]
    [InlineData("b", "b")]
    [InlineData("", "")]
    [InlineData("a longer text, é 字 😀", "a longer text, é 字 😀")]
    [InlineData("""\"q\" \\ \n \u00e9""", "\"q\" \\ \n é")]
    public void Read_TheSameFrame_GivesTheText(string written, string expected)
    {
        Read(Frame.Replace("TEXT", "a", StringComparison.Ordinal));

        Read(Frame.Replace("TEXT", written, StringComparison.Ordinal)).ShouldBe(expected);
        Read(Frame.Replace("TEXT", "again", StringComparison.Ordinal)).ShouldBe("again");
    }

    // Not in the theory above: half a surrogate pair does not survive the way to a test's parameters.
    [Fact]
    public void Read_HalfASurrogatePair_IsKept() =>
        Read(Frame.Replace("TEXT", "\\ud83d", StringComparison.Ordinal)).ShouldBe("\ud83d");

    [Fact]
    public void Read_AnotherFrame_IsFollowed()
    {
        Read("""{"id":"r1","model":"m","choices":[{"delta":{"content":"a"}}],"obfuscation":"x"}""").ShouldBe("a");
        Read("""{"id":"r2","model":"n","choices":[{"delta":{"role":"assistant","content":"b"}}],"obfuscation":"yy"}""").ShouldBe("b");
        Read("""{"choices":[{"delta":{"content":"c"}}]}""").ShouldBe("c");

        _chunk.Id.ShouldBe("r2");
        _chunk.Model.ShouldBe("n");
    }

    [Theory]
    [InlineData("""{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}""")]
    [InlineData("""{"choices":[{"delta":{"content":"a"}}],"usage":{"completion_tokens":1}}""")]
    [InlineData("""{"choices":[{"delta":{"content":"a"}}],"error":{"message":"x"}}""")]
    [InlineData("""{"choices":[{"delta":{"content":"a","reasoning":"r"}}]}""")]
    [InlineData("""{"choices":[{"delta":{"content":"a","tool_calls":[]}}]}""")]
    [InlineData("""{"choices":[{"delta":{"content":"a","content":"b"}}]}""")]
    [InlineData("""{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}""")]
    [InlineData("""{"choices":[{"index":1,"delta":{"content":"a"}}]}""")]
    [InlineData("""{"choices":[{"delta":{"content":"a"}}]} {}""")]
    [InlineData("""{"choices":[{"delta":{"content":"a"}}]""")]
    [InlineData("""{"choices":[]}""")]
    [InlineData("""["choices"]""")]
    [InlineData("no JSON")]
    public void Read_AnythingElse_IsRefusedAndNothingNoted(string data)
    {
        Read(data).ShouldBeNull();

        _chunk.Id.ShouldBe("");
        Read(Frame.Replace("TEXT", "a", StringComparison.Ordinal)).ShouldBe("a");
    }

    [Theory]
    [InlineData("a\"},\"x\":{\"y\":\"")]
    [InlineData("a\u0001")]
    public void Read_TextThatWouldLeaveTheFrame_IsNotTakenForText(string written)
    {
        Read(Frame.Replace("TEXT", "a", StringComparison.Ordinal));

        Read(Frame.Replace("TEXT", written, StringComparison.Ordinal)).ShouldNotBe(written);
    }

    [Fact]
    public void Read_RandomChunks_SayWhatTheGeneralWaySays() => Properties.HoldsForSeeds(
        random =>
        {
            var fast = new OpenAiStream(new GenerateRequest());
            var general = new OpenAiStream(new GenerateRequest());
            for (var n = 0; n < 12; n++)
            {
                var data = Encoding.UTF8.GetBytes(RandomChunk(random));
                if (random.Next(8) == 0) data[random.Next(1, data.Length)] = (byte)random.Next(256);

                // The name of an event decides nothing else, but only the ordinary one is read the short way.
                Outcome(fast, "message", data).ShouldBe(Outcome(general, "chunk", data), Encoding.UTF8.GetString(data));
            }
        },
        count: 2000);

    private string? Read(string data) => _chunk.Read(Encoding.UTF8.GetBytes(data));

    private static string Outcome(OpenAiStream stream, string type, byte[] data)
    {
        var output = new List<BackendEvent>();
        var failure = "";
        try
        {
            stream.Read(type, data, output);
        }
        catch (Exception exception)
        {
            failure = exception is BackendException backend ? $"{backend.Failure}: {backend.Message}" : exception.GetType().Name;
        }

        // A call without an id is given one by chance.
        return string.Join('\n', output.Select(static one =>
            $"{one.Kind} '{one.Text}' {one.PartIndex} {one.TokenCount} {one.Opening} {one.Usage} {one.ToolCall?.Name} {one.ToolCall?.ArgumentsFragment}")
            .Append($"{stream.Ending} {stream.IsOver} {failure}"));
    }

    private static string RandomChunk(Random random)
    {
        string[] texts = ["a", "", " b", "é字😀", "\\n", "\\\"", "\\ud83d", "\\ude00x", "\\u0041", "}", "\\\\"];
        string[] alike = ["\"id\":\"r1\"", "\"object\":\"chat.completion.chunk\"", "\"created\":17", "\"model\":\"m\""];
        string[] roots =
        [
            "\"id\":\"r2\"", "\"id\":null", "\"id\":7", "\"model\":\"\"", "\"model\":\"n\\u0020\"", "\"usage\":null", "\"system_fingerprint\":null",
            "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}", "\"x_groq\":{\"usage\":{\"completion_tokens\":2}}", "\"error\":null",
            "\"error\":{\"code\":429}", "\"obfuscation\":\"zz\"", "\"extra\":{\"choices\":[1,{}]}", "\"\\u0069d\":\"r3\"", "\"choices\":[]", "\"detail\":1",
        ];
        string[] choiceParts =
        [
            "\"index\":0", "\"index\":1", "\"index\":null", "\"index\":0.0", "\"finish_reason\":null", "\"finish_reason\":\"stop\"", "\"finish_reason\":\"\"",
            "\"logprobs\":null", "\"logprobs\":{\"content\":[]}", "\"text\":\"t\"", "\"message\":{\"content\":\"m\"}", "\"usage\":{\"completion_tokens\":3}",
            "\"stop_reason\":null", "\"content_filter_results\":{\"hate\":{\"filtered\":false}}", "\"delta\":null",
        ];
        string[] deltaParts =
        [
            "\"role\":\"assistant\"", "\"refusal\":null", "\"refusal\":\"n\"", "\"reasoning_content\":\"r\"", "\"reasoning\":null", "\"tool_calls\":null",
            "\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]", "\"content\":null", "\"content\":[{\"type\":\"text\",\"text\":\"p\"}]",
            "\"function_call\":null", "\"other\":{}",
        ];
        List<string> delta = [.. Some(random, deltaParts)];
        if (random.Next(10) > 0) delta.Insert(random.Next(delta.Count + 1), $"\"content\":\"{texts[random.Next(texts.Length)]}\"");
        List<string> choice = [.. Some(random, choiceParts)];
        if (random.Next(12) > 0) choice.Insert(random.Next(choice.Count + 1), $"\"delta\":{{{string.Join(',', delta)}}}");
        var choices = random.Next(15) == 0 ? "" : $"{{{string.Join(',', choice)}}}";
        if (random.Next(15) == 0) choices += ",{}";
        List<string> root = random.Next(3) == 0 ? [] : [.. alike];
        root.AddRange(Some(random, roots));
        root.Insert(random.Next(root.Count + 1), $"\"choices\":[{choices.TrimStart(',')}]");
        var tail = random.Next(20) == 0 ? " 7" : "";
        return $"{{{string.Join(',', root)}}}{tail}";
    }

    // None, as a rule: most chunks are ordinary.
    private static IEnumerable<string> Some(Random random, string[] all) =>
        Enumerable.Range(0, Math.Max(0, random.Next(-3, 3))).Select(_ => all[random.Next(all.Length)]);
}
