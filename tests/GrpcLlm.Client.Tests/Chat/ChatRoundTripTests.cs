using System.Text.Json;
using GrpcLlm.Client.Chat;
using GrpcLlm.V1;
using Microsoft.Extensions.AI;

namespace GrpcLlm.Client.Tests.Chat;

/// <summary>An answer goes through the abstractions and comes back part by part: providers refuse signed parts that changed.</summary>
public sealed class ChatRoundTripTests
{
    private const int Answers = 2000;

    [Fact]
    public void StreamedAnswer_PutTogetherByTheAbstractions_GoesBackAsItCame() => ForAnswers((answer, seed) =>
    {
        var mapper = new ChatUpdateMapper("req");
        var response = answer.Chunks.Select(mapper.Map).ToList().ToChatResponse();

        BackOf(response.Messages.SingleOrDefault()).ShouldBe(PartsOf(answer), $"seed {seed}");
        response.Text.ShouldBe(TextOf(answer), $"seed {seed}");
        response.ResponseId.ShouldBe(Chunks.RequestId);
        response.Usage!.OutputTokenCount.ShouldBe(3);
    });

    [Fact]
    public void WholeAnswer_GoesBackAsItCame() => ForAnswers((answer, seed) =>
        BackOf(new ChatMessage(ChatRole.Assistant, [.. PartsOf(answer).SelectMany(ChatContents.Of)])).ShouldBe(PartsOf(answer), $"seed {seed}"));

    [Fact]
    public void StoredAnswer_GoesBackAsItCame() => ForAnswers((answer, seed) =>
    {
        var mapper = new ChatUpdateMapper("req");
        var response = answer.Chunks.Select(mapper.Map).ToList().ToChatResponse();
        var stored = JsonSerializer.Serialize(response.Messages, AIJsonUtilities.DefaultOptions);

        var messages = JsonSerializer.Deserialize<List<ChatMessage>>(stored, AIJsonUtilities.DefaultOptions)!;

        BackOf(messages.SingleOrDefault()).ShouldBe(PartsOf(answer), $"seed {seed}");
    });

    private static void ForAnswers(Action<RandomAnswer, int> statement)
    {
        for (var seed = 0; seed < Answers; seed++) statement(new RandomAnswer(seed), seed);
    }

    /// <summary>The parts that the client itself would send back.</summary>
    private static List<ContentPart> PartsOf(RandomAnswer answer)
    {
        var accumulator = new GenerationAccumulator();
        foreach (var chunk in answer.Chunks) accumulator.Add(chunk);
        return [.. accumulator.ToAnswer().Parts];
    }

    private static string TextOf(RandomAnswer answer) =>
        string.Concat(answer.Chunks.Where(chunk => chunk.DeltaCase == TokenChunk.DeltaOneofCase.Text).Select(chunk => chunk.Text));

    private static List<ContentPart> BackOf(ChatMessage? message)
    {
        if (message is null) return [];
        var refusals = new ChatRefusals();
        var mapped = new ChatMessageMapper("message", refusals).Map(message);
        refusals.ThrowIfAny();
        return [.. mapped?.Parts ?? []];
    }
}
