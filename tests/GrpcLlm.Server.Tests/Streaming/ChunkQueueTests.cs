using System.Text;
using Google.Protobuf;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Streaming;

public sealed class ChunkQueueTests
{
    private readonly ChunkQueue _queue = new();
    private readonly TokenLedger _tokens = new();
    private long _now;

    [Fact]
    public void Append_SameKindAndPart_Merges()
    {
        Text("a");
        Text("b", tokens: 2);

        _queue.WaitingTokens.ShouldBe(3u);
        var chunk = _queue.Dequeue();
        chunk.Text.ShouldBe("ab");
        chunk.TokenCount.ShouldBe(3u);
        chunk.TokenGapsUs.ShouldBe([1u, 1, 0]);
        _queue.IsEmpty.ShouldBeTrue();
    }

    [Fact]
    public void Append_ReasoningAndRefusal_KeepTheirKind()
    {
        Text("a", kind: BackendEventKind.Reasoning);
        Text("b", kind: BackendEventKind.Reasoning);
        Text("c", kind: BackendEventKind.Refusal);
        Text("d", kind: BackendEventKind.Refusal);
        Text("e");

        Drain().ShouldBe(
        [
            new TokenChunk { Reasoning = "ab", TokenCount = 2, TokenGapsUs = { 1, 1 } },
            new TokenChunk { Refusal = "cd", TokenCount = 2, TokenGapsUs = { 1, 1 } },
            new TokenChunk { Text = "e", TokenCount = 1, TokenGapsUs = { 1 } },
        ]);
    }

    [Fact]
    public void Append_AnotherPart_DoesNotMerge()
    {
        Text("a", part: 1);
        Text("b", part: 2);
        Text("c", part: 1);

        Drain().Select(static chunk => (chunk.PartIndex, chunk.Text)).ShouldBe([(1u, "a"), (2u, "b"), (1u, "c")]);
    }

    [Fact]
    public void AppendToolCall_SameIndex_MergesFragmentsAndDone()
    {
        Tool(new ToolCallDelta { Index = 1, Id = "i", Name = "n" });
        Tool(new ToolCallDelta { Index = 1, ArgumentsFragment = "{\"a\":" });
        Tool(new ToolCallDelta { Index = 1, ArgumentsFragment = "1}", Done = true });

        Drain().ShouldHaveSingleItem().ToolCall.ShouldBe(
            new ToolCallDelta { Index = 1, Id = "i", Name = "n", ArgumentsFragment = "{\"a\":1}", Done = true });
    }

    [Fact]
    public void AppendToolCall_AnotherIndexOrDoneOrPart_DoesNotMerge()
    {
        Tool(new ToolCallDelta { Index = 0, ArgumentsFragment = "a", Done = true });
        Tool(new ToolCallDelta { Index = 0, ArgumentsFragment = "b" });
        Tool(new ToolCallDelta { Index = 1, ArgumentsFragment = "c" });
        Tool(new ToolCallDelta { Index = 1, ArgumentsFragment = "d" }, part: 1);
        Text("e");

        Drain().Count.ShouldBe(5);
    }

    [Fact]
    public void AppendToolCall_DoesNotChangeTheBackendsMessage()
    {
        var first = new ToolCallDelta { Index = 0, Id = "i", Name = "n" };
        Tool(first);
        Tool(new ToolCallDelta { ArgumentsFragment = "{}" });

        first.ArgumentsFragment.ShouldBe("");
    }

    [Fact]
    public void AppendSignature_IsAMessageOfItsOwnThatNothingMergesAcross()
    {
        Text("a");
        _queue.AppendSignature(ByteString.CopyFromUtf8("s"), 0);
        Text("b");

        Drain().ShouldBe(
        [
            new TokenChunk { Text = "a", TokenCount = 1, TokenGapsUs = { 1 } },
            new TokenChunk { Signature = ByteString.CopyFromUtf8("s") },
            new TokenChunk { Text = "b", TokenCount = 1, TokenGapsUs = { 1 } },
        ]);
    }

    [Fact]
    public void AppendSignature_BeforeTheFirstDelta_FollowsIt()
    {
        _queue.AppendSignature(ByteString.CopyFromUtf8("s0"), 0);
        _queue.AppendSignature(ByteString.CopyFromUtf8("s1"), 1);
        _queue.IsEmpty.ShouldBeTrue();

        Text("a", part: 2);
        Text("b", part: 2);

        Drain().Select(static chunk => (chunk.PartIndex, chunk.Signature.ToStringUtf8(), chunk.Text)).ShouldBe(
            [(2u, "", "a"), (0u, "s0", ""), (1u, "s1", ""), (2u, "", "b")]);
    }

    [Fact]
    public void HasRoom_EmptyOrOneThatCanGrow()
    {
        _queue.HasRoom.ShouldBeTrue();
        Text("a");
        _queue.HasRoom.ShouldBeTrue();
        Text("b", part: 1);
        _queue.HasRoom.ShouldBeFalse();
        _queue.Dequeue();
        _queue.HasRoom.ShouldBeTrue();
        _queue.AppendSignature(ByteString.CopyFromUtf8("s"), 1);
        _queue.Dequeue();
        _queue.HasRoom.ShouldBeFalse("nothing merges into a signature");
    }

    [Fact]
    public void HasRoom_AtTheTokensOfAFullChunk_IsFalse()
    {
        for (var index = 1; index < ChunkQueue.MaxMergedTokens; index++) Text("x");
        _queue.HasRoom.ShouldBeTrue();

        Text("x");

        _queue.HasRoom.ShouldBeFalse();
        Drain().Count.ShouldBe(1);
    }

    [Fact]
    public void HasRoom_AtTheBytesOfAFullChunk_IsFalse()
    {
        Text(new string('€', (ChunkQueue.MaxMergedBytes - 1) / 3));
        _queue.HasRoom.ShouldBeTrue();

        Text("x");

        _queue.HasRoom.ShouldBeFalse();
        Drain().Count.ShouldBe(1);
    }

    [Fact]
    public void Merge_AnyEvents_KeepsAllAndStaysWithinBounds() => Properties.HoldsForSeeds(random =>
    {
        var queue = new ChunkQueue();
        var tokens = new TokenLedger();
        var sent = new List<string>();
        var total = 0L;
        for (var index = 0; index < 60; index++)
        {
            var text = new string("x€"[random.Next(2)], random.Next(1, random.Next(1, 3000)));
            var count = (uint)random.Next(0, 50);
            sent.Add(text);
            total += count;
            tokens.Add(count, index + 1, null);
            queue.AppendText(BackendEventKind.Text, 0, text, tokens);
        }

        var received = new StringBuilder();
        while (!queue.IsEmpty)
        {
            var chunk = queue.Dequeue();
            received.Append(chunk.Text);
            total -= chunk.TokenCount;
            chunk.TokenGapsUs.Count.ShouldBe((int)chunk.TokenCount);
            chunk.TokenCount.ShouldBeLessThanOrEqualTo((uint)ChunkQueue.MaxMergedTokens);
            if (Encoding.UTF8.GetByteCount(chunk.Text) > ChunkQueue.MaxMergedBytes)
                sent.Contains(chunk.Text, StringComparer.Ordinal).ShouldBeTrue("an event larger than a merged chunk stands alone");
        }

        received.ToString().ShouldBe(string.Concat(sent));
        total.ShouldBe(0);
    });

    [Fact]
    public void Merge_AnEventThatWouldExceedTheTokens_StandsAlone()
    {
        Text("a", tokens: 40);
        Text("b", tokens: 30);

        Drain().Select(static chunk => chunk.TokenCount).ShouldBe([40u, 30]);
    }

    [Fact]
    public void Merge_AnEventThatWouldExceedTheBytes_StandsAlone()
    {
        Text(new string('a', ChunkQueue.MaxMergedBytes - 1));
        Text("é");

        Drain().Select(static chunk => chunk.Text.Length).ShouldBe([ChunkQueue.MaxMergedBytes - 1, 1]);
    }

    [Fact]
    public void Merge_AToolFragmentThatWouldExceedTheBytes_StandsAlone()
    {
        Tool(new ToolCallDelta { Id = "i", Name = "n", ArgumentsFragment = new string('a', ChunkQueue.MaxMergedBytes - 1) });
        Tool(new ToolCallDelta { ArgumentsFragment = "é" });

        Drain().Select(static chunk => chunk.ToolCall.ArgumentsFragment.Length).ShouldBe([ChunkQueue.MaxMergedBytes - 1, 1]);
    }

    [Fact]
    public void AppendText_LargerThanAMessage_IsSplitAtCodePoints()
    {
        var text = "x" + string.Concat(Enumerable.Repeat("😀", ChunkQueue.MaxDeltaChars));
        Text(text, tokens: 5);

        var chunks = Drain();

        chunks.Count.ShouldBe(3);
        string.Concat(chunks.Select(static chunk => chunk.Text)).ShouldBe(text);
        chunks.Select(static chunk => chunk.TokenCount).ShouldBe([5u, 0, 0]);
        chunks.ShouldAllBe(static chunk => !char.IsHighSurrogate(chunk.Text[chunk.Text.Length - 1]));
        chunks.ShouldAllBe(static chunk => chunk.CalculateSize() < 1024 * 1024);
    }

    [Fact]
    public void AppendText_OfTheWidestCharacters_StaysUnderOneMebibyte()
    {
        Text(new string('€', ChunkQueue.MaxDeltaChars));

        Drain().ShouldHaveSingleItem().CalculateSize().ShouldBeLessThan(1024 * 1024);
    }

    [Fact]
    public void AppendToolCall_LargerThanAMessage_IsSplitWithNameFirstAndDoneLast()
    {
        var arguments = string.Concat(Enumerable.Repeat("😀", ChunkQueue.MaxDeltaChars)) + "x";
        Tool(new ToolCallDelta { Index = 3, Id = "i", Name = "n", ArgumentsFragment = "y" + arguments, Done = true });

        var calls = Drain().ConvertAll(static chunk => chunk.ToolCall);

        string.Concat(calls.Select(static call => call.ArgumentsFragment)).ShouldBe("y" + arguments);
        calls.Select(static call => (call.Index, call.Id, call.Name, call.Done)).ShouldBe(
            [(3u, "i", "n", false), (3u, "", "", false), (3u, "", "", true)]);
        calls.ShouldAllBe(static call => !char.IsHighSurrogate(call.ArgumentsFragment[call.ArgumentsFragment.Length - 1]));
    }

    [Fact]
    public void Close_Empty_MakesOneMessageWithTheTokensNeverReleased()
    {
        _tokens.Add(2, 9, null);

        _queue.Close(_tokens);

        Drain().ShouldBe([new TokenChunk { TokenCount = 2, TokenGapsUs = { 9, 0 } }]);
    }

    [Fact]
    public void Close_Waiting_AddsTheTokensToTheLast()
    {
        Text("a");
        _queue.AppendSignature(ByteString.CopyFromUtf8("s"), 0);
        _tokens.Add(1, 9, null);

        _queue.Close(_tokens);

        Drain().Select(static chunk => chunk.TokenCount).ShouldBe([1u, 1]);
    }

    [Fact]
    public void Recycle_LeavesNothingBehind()
    {
        Text("a");
        var chunk = _queue.Dequeue();
        foreach (var field in TokenChunk.Descriptor.Fields.InDeclarationOrder())
        {
            if (field.IsRepeated || field.ContainingOneof is not null) continue;
            object value = field.FieldType switch
            {
                Google.Protobuf.Reflection.FieldType.UInt64 => 1UL,
                Google.Protobuf.Reflection.FieldType.UInt32 => 1u,
                Google.Protobuf.Reflection.FieldType.Bytes => ByteString.CopyFromUtf8("x"),
                _ => field.MessageType.Parser.ParseFrom([]),
            };
            field.Accessor.SetValue(chunk, value);
        }

        chunk.TokenGapsUs.Add(1);
        chunk.Tokens.Add(new TokenDetail());

        ChunkQueue.Recycle(chunk);
        Text("b");

        var again = _queue.Dequeue();
        again.ShouldBeSameAs(chunk);
        again.ShouldBe(new TokenChunk { Text = "b", TokenCount = 1, TokenGapsUs = { 1 } });
    }

    private void Text(string text, uint tokens = 1, uint part = 0, BackendEventKind kind = BackendEventKind.Text)
    {
        _tokens.Add(tokens, ++_now, null);
        _queue.AppendText(kind, part, text, _tokens);
    }

    private void Tool(ToolCallDelta delta, uint part = 0)
    {
        _tokens.Add(1, ++_now, null);
        _queue.AppendToolCall(part, delta, _tokens);
    }

    private List<TokenChunk> Drain()
    {
        var chunks = new List<TokenChunk>();
        while (!_queue.IsEmpty) chunks.Add(_queue.Dequeue());
        return chunks;
    }
}
