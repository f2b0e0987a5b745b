using System.Text.Json;
using Google.Protobuf;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests;

public sealed class GenerationAccumulatorTests
{
    [Fact]
    public void Nothing_IsAnEmptyAnswer()
    {
        var answer = AnswerOf();

        answer.Text.ShouldBeEmpty();
        answer.Parts.ShouldBeEmpty();
        answer.ToolCalls.ShouldBeEmpty();
        answer.IsFinished.ShouldBeFalse();
        answer.Usage.ShouldBeNull();
        answer.ToMessage().Parts.ShouldBeEmpty();
    }

    [Fact]
    public void Kinds_AreKeptApartAndInOrder()
    {
        var answer = AnswerOf(
            new TokenChunk { Reasoning = "Hm", PartIndex = 0 },
            new TokenChunk { Reasoning = "m.", PartIndex = 0, Signature = ByteString.CopyFromUtf8("s0") },
            new TokenChunk { Text = "Yes", PartIndex = 1 },
            new TokenChunk { Reasoning = " More.", PartIndex = 2, Signature = ByteString.CopyFromUtf8("s2") },
            new TokenChunk { Text = ", and", PartIndex = 3 },
            new TokenChunk { Refusal = "no", PartIndex = 4 });

        answer.Reasoning.ShouldBe("Hmm. More.");
        answer.Text.ShouldBe("Yes, and");
        answer.Refusal.ShouldBe("no");
        answer.ToMessage().ShouldBe(new ConversationMessage
        {
            Role = Role.Assistant,
            Parts =
            {
                new ContentPart { Reasoning = "Hmm.", Signature = ByteString.CopyFromUtf8("s0") },
                new ContentPart { Text = "Yes" },
                new ContentPart { Reasoning = " More.", Signature = ByteString.CopyFromUtf8("s2") },
                new ContentPart { Text = ", and" },
                new ContentPart { Refusal = "no" },
            },
        });
    }

    [Fact]
    public void Signature_WithoutDelta_IsAPartOfItsOwnInItsPlace()
    {
        var answer = AnswerOf(
            new TokenChunk { Text = "Yes", PartIndex = 1 },
            new TokenChunk { PartIndex = 0, Signature = ByteString.CopyFromUtf8("redacted") },
            new TokenChunk { PartIndex = 1, Signature = ByteString.CopyFromUtf8("signed") });

        answer.Parts.ShouldBe(
        [
            new ContentPart { Reasoning = "", Signature = ByteString.CopyFromUtf8("redacted") },
            new ContentPart { Text = "Yes", Signature = ByteString.CopyFromUtf8("signed") },
        ]);
    }

    [Fact]
    public void Signature_BeforeItsDelta_StaysWithThePart()
    {
        var answer = AnswerOf(
            new TokenChunk { PartIndex = 1, Signature = ByteString.CopyFromUtf8("early") },
            new TokenChunk { Text = "Yes", PartIndex = 1 });

        answer.Parts.ShouldBe([new ContentPart { Text = "Yes", Signature = ByteString.CopyFromUtf8("early") }]);
    }

    [Fact]
    public void ToolCalls_Interleaved_AreReassembled()
    {
        var answer = AnswerOf(
            Call(0, 0, """{"city":""", id: "call-a", name: "weather"),
            Call(1, 1, """{"zone":"C""", id: "call-b", name: "time"),
            Call(0, 0, "\"Bern\"}", done: true),
            Call(1, 1, "ET\"}", done: true));

        answer.ToolCalls.Select(call => (call.Index, call.Id, call.Name, call.ArgumentsJson, call.IsDone)).ShouldBe(
        [
            (0u, "call-a", "weather", """{"city":"Bern"}""", true),
            (1u, "call-b", "time", """{"zone":"CET"}""", true),
        ]);
        answer.ToolCalls[0].ParseArguments().GetProperty("city").GetString().ShouldBe("Bern");
        answer.ToMessage().Parts[1].ToolCall.ShouldBe(new ToolCall { Id = "call-b", Name = "time", ArgumentsJson = """{"zone":"CET"}""" });
    }

    [Fact]
    public void ToolCall_WithoutArguments_HasAnEmptyObject()
    {
        var call = AnswerOf(Call(0, 0, "", id: "c", name: "now", done: true)).ToolCalls.Single();

        call.ParseArguments().EnumerateObject().ShouldBeEmpty();
    }

    [Fact]
    public void ToolCall_CutOff_IsToldButNotSentBack()
    {
        var answer = AnswerOf(new TokenChunk { Text = "Let me see." }, Call(1, 0, """{"city":"Be""", id: "c", name: "weather"));

        var call = answer.ToolCalls.Single();
        call.IsDone.ShouldBeFalse();
        call.TryParseArguments(out _).ShouldBeFalse();
        answer.ToMessage().Parts.ShouldBe([new ContentPart { Text = "Let me see." }]);
    }

    [Theory]
    [InlineData("[1]")]
    [InlineData("1")]
    [InlineData("null")]
    [InlineData("{\"a\":1,}")]
    [InlineData("{\"a\":1} {}")]
    [InlineData("{\"a\":1,\"a\":2}")]
    [InlineData("{\"a\":1 /* one */}")]
    [InlineData("{")]
    public void Arguments_NotOneStrictObject_AreRefused(string arguments)
    {
        var call = AnswerOf(Call(0, 0, arguments, id: "c", name: "f", done: true)).ToolCalls.Single();

        Should.Throw<JsonException>(() => call.ParseArguments());
        call.TryParseArguments(out _).ShouldBeFalse();
    }

    [Fact]
    public void Answer_TakenEarly_StaysAsItWas()
    {
        var accumulator = new GenerationAccumulator();
        accumulator.Add(Chunks.First("Hello"));
        var early = accumulator.ToAnswer();
        accumulator.Add(Chunks.Text(2, " world"));
        accumulator.Add(Chunks.End(3));

        early.Text.ShouldBe("Hello");
        early.IsFinished.ShouldBeFalse();
        accumulator.IsFinished.ShouldBeTrue();
        accumulator.ToAnswer().Text.ShouldBe("Hello world");
    }

    [Fact]
    public void TokenDetails_AreGathered()
    {
        var answer = AnswerOf(
            new TokenChunk { Text = "a", Tokens = { new TokenDetail { Id = 1 } } },
            new TokenChunk { Text = "bc", Tokens = { new TokenDetail { Id = 2 }, new TokenDetail { Id = 3 } } });

        answer.Tokens.Select(token => token.Id).ShouldBe([1u, 2u, 3u]);
    }

    [Fact]
    public void AnyCutIntoMessages_GivesTheSameAnswer() => GrpcLlm.Server.Tests.Testing.Properties.HoldsForSeeds(random =>
    {
        var answer = RandomAnswer.Of(random);

        var once = RandomAnswer.Accumulate(answer.Whole());
        var again = RandomAnswer.Accumulate(answer.Cut(random));

        Describe(again).ShouldBe(Describe(once));
        once.ToMessage().Parts.ShouldBe(answer.ExpectedParts());
        once.Text.ShouldBe(answer.ExpectedText());
        once.StreamedTokens.ShouldBe(again.StreamedTokens);
    });

    private static string Describe(GenerationAnswer answer) => string.Join(
        '\n', answer.Text, answer.Reasoning, answer.Refusal, answer.ToMessage(), answer.Finish,
        string.Join(';', answer.ToolCalls.Select(call => $"{call.Index} {call.Id} {call.Name} {call.ArgumentsJson} {call.IsDone}")));

    private static GenerationAnswer AnswerOf(params TokenChunk[] chunks)
    {
        var accumulator = new GenerationAccumulator();
        foreach (var chunk in chunks) accumulator.Add(chunk);
        return accumulator.ToAnswer();
    }

    private static TokenChunk Call(uint part, uint index, string fragment, string id = "", string name = "", bool done = false) => new()
    {
        PartIndex = part,
        ToolCall = new ToolCallDelta { Index = index, Id = id, Name = name, ArgumentsFragment = fragment, Done = done },
    };
}
