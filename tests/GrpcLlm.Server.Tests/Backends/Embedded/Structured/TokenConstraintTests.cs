using System.Text;
using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Backends.Embedded.Structured;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Structured;

public sealed class TokenConstraintTests
{
    // "ab" may come as one token or two; the brace and comma cross structure; 9 ends, 10 is a mark.
    private static readonly string[] Tokens = ["\"", "a", "b", "ab", "ab\"", "\",\"", "{\"", "}", "x\"}", "", ""];

    [Fact]
    public void Mask_IsWhatTheBytesAllow()
    {
        var constraint = new TokenConstraint(StructuredRun.Compile("""{"enum":["ab","b"]}"""), Toy(), 10);
        Allowed(constraint).ShouldBe(["\""]);
        constraint.Accept(0);
        Allowed(constraint).ShouldBe(["a", "b", "ab", "ab\""]);
        constraint.Accept(1);
        Allowed(constraint).ShouldBe(["b"]);
        constraint.Accept(2);
        Allowed(constraint).ShouldBe(["\""]);
        constraint.IsComplete.ShouldBeFalse();
        constraint.Accept(0);
        constraint.IsComplete.ShouldBeTrue();
        Allowed(constraint).ShouldBe(["<end>"]);
    }

    [Fact]
    public void Mask_TokenBeyondTheEnd_IsNotAllowed()
    {
        var constraint = new TokenConstraint(StructuredRun.Compile("""{"const":"x"}"""), Toy(), 10);
        constraint.Accept(0);
        Allowed(constraint).ShouldBeEmpty(); // x"} goes beyond, and the toy has no x
    }

    [Fact]
    public void Mask_FewTokensLeft_LeavesTheShortestWayOnly()
    {
        var grammar = StructuredRun.Compile("""{"type":"array","items":{"enum":["a","bab"]}}""");
        var trie = new TokenTrie([.. "[],\"ab".Select(letter => (ReadOnlyMemory<byte>)new[] { (byte)letter })], []);
        var constraint = new TokenConstraint(grammar, trie, 5);
        Names(constraint, trie).ShouldBe("[");
        constraint.Accept(0);
        Names(constraint, trie).ShouldBe("]\""); // four left: "a"] just fits
        constraint.Accept(3);
        Names(constraint, trie).ShouldBe("a");
        constraint.Accept(4);
        constraint.Accept(3);
        Names(constraint, trie).ShouldBe("]");
    }

    [Fact]
    public void Mask_NumberAtTheLastToken_IsComplete()
    {
        var constraint = new TokenConstraint(StructuredRun.Compile("""{"type":"integer"}"""), StructuredRun.Trie, 1);
        var logits = new float[StructuredRun.Vocabulary.Count];
        constraint.Mask(logits);
        constraint.Accept(Array.FindIndex(logits, logit => logit == 0));
        constraint.IsComplete.ShouldBeTrue();
    }

    [Fact]
    public void Accept_TokenThatIsNotAllowed_Throws()
    {
        var constraint = new TokenConstraint(StructuredRun.Compile("""{"const":"x"}"""), Toy(), 10);
        Should.Throw<InvalidOperationException>(() => constraint.Accept(1));
    }

    [Fact]
    public void Mask_AnywhereInAnyDocument_IsWhatEachTokenAloneGives()
    {
        Properties.HoldsForSeeds(random =>
        {
            if (StructuredRun.TryCompile(new RandomSchemas(random).Next(), out _) is not { HasFreeKeys: false } grammar) return;
            var constraint = new TokenConstraint(grammar, StructuredRun.Trie, 100_000);
            var automaton = new Automaton(grammar, 0);
            var position = automaton.Start;
            var logits = new float[StructuredRun.Vocabulary.Count];
            for (var i = 0; i < 12 && !constraint.IsComplete; i++)
            {
                logits.AsSpan().Clear();
                constraint.Mask(logits);
                for (var id = 0; id < logits.Length; id++)
                {
                    var expected = StructuredRun.Vocabulary.IsEnd(id)
                        ? automaton.MayEnd(position)
                        : StructuredRun.Vocabulary.KindOf(id) == TokenKind.Normal && Step(automaton, position, id) is not null;
                    (logits[id] == 0).ShouldBe(expected);
                }

                var allowed = Enumerable.Range(0, logits.Length).Where(id => logits[id] == 0 && !StructuredRun.Vocabulary.IsEnd(id)).ToArray();
                if (allowed.Length == 0) break;
                var token = allowed[random.Next(allowed.Length)];
                position = Step(automaton, position, token)!.Value;
                constraint.Accept(token);
            }
        }, 40);
    }

    [Fact]
    public void Mask_OnceKnown_AllocatesNothing()
    {
        var grammar = StructuredRun.Compile("""{"type":"array","items":{"type":"string","maxLength":9000}}""");
        var constraint = new TokenConstraint(grammar, StructuredRun.Trie, 1_000_000);
        var logits = new float[StructuredRun.Vocabulary.Count];
        int open = TokenOf("["), quote = TokenOf("\""), letter = TokenOf("a");
        constraint.Accept(open);
        constraint.Accept(quote);
        long allocated = 0;
        for (var i = 0; i < 1200; i++)
        {
            if (i == 201) allocated = GC.GetAllocatedBytesForCurrentThread();
            constraint.Mask(logits);
            if (i < 200) constraint.Accept(letter);
        }

        (GC.GetAllocatedBytesForCurrentThread() - allocated).ShouldBe(0);
    }

    [Fact]
    public void Trim_MoreThanIsKept_GoesOnWhereItWas()
    {
        var grammar = StructuredRun.Compile("""{"type":"array","items":{"type":"object","additionalProperties":{"type":"string","maxLength":9}}}""");
        var automaton = new Automaton(grammar, longestToken: 1, maxKept: 300);
        var position = automaton.Start;
        var trims = 0;
        foreach (var value in Encoding.UTF8.GetBytes("""[{"a":"123456789","b":"x"},{},{"c":"1234","d":"é"}]"""))
        {
            if (automaton.Trim(ref position)) trims++;
            automaton.TryStep(position, value, false, out position).ShouldBeTrue();
        }

        automaton.MustEnd(position).ShouldBeTrue();
        trims.ShouldBeGreaterThan(1);
    }

    [Fact]
    public void Trie_HoldsEveryTokenOnce()
    {
        var trie = StructuredRun.Trie;
        var found = new HashSet<int>();
        for (var node = 1; node < trie.NodeCount; node++)
        {
            foreach (var token in trie.TokensAt(node))
            {
                found.Add(token).ShouldBeTrue();
                trie.BytesOf(token).Length.ShouldBe(trie.DepthOf(node));
                trie.BytesOf(token)[^1].ShouldBe(trie.LabelOf(node));
            }
        }

        found.Count.ShouldBe(Enumerable.Range(0, StructuredRun.Vocabulary.Count).Count(id =>
            StructuredRun.Vocabulary.KindOf(id) == TokenKind.Normal && !StructuredRun.Vocabulary.IsEnd(id)));
    }

    [Theory]
    [InlineData(TestModels.Default)]
    [InlineData(TestModels.GroupedHeads)]
    [InlineData(TestModels.SentencePiece)]
    [InlineData(TestModels.RopeFactors)]
    public void Vocabularies_CoverText(string model) =>
        new StructuredOutput(TestModels.Model(model).Vocabulary).IsPossible.ShouldBeTrue();

    private static TokenTrie Toy() => new([.. Tokens.Select(token => (ReadOnlyMemory<byte>)Encoding.UTF8.GetBytes(token))], [9]);

    private static int TokenOf(string text) =>
        Enumerable.Range(0, StructuredRun.Vocabulary.Count).First(id => StructuredRun.Vocabulary.PrintedTextOf(id) == text);

    private static string[] Allowed(TokenConstraint constraint)
    {
        var logits = new float[Tokens.Length];
        constraint.Mask(logits);
        return [.. Enumerable.Range(0, logits.Length).Where(id => logits[id] == 0).Select(id => id == 9 ? "<end>" : Tokens[id])];
    }

    private static string Names(TokenConstraint constraint, TokenTrie trie)
    {
        var logits = new float[trie.VocabularySize];
        constraint.Mask(logits);
        return string.Concat(Enumerable.Range(0, logits.Length).Where(id => logits[id] == 0).Select(id => (char)trie.BytesOf(id)[0]));
    }

    private static Position? Step(Automaton automaton, Position position, int token)
    {
        foreach (var value in StructuredRun.Vocabulary.PrintedBytesOf(token))
        {
            if (!automaton.TryStep(position, value, false, out position)) return null;
        }

        return position;
    }
}
