using System.Text;
using System.Text.Json;
using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Backends.Embedded.Structured;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Structured;

/// <summary>Compiles schemas, and writes documents with logits that are drawn by chance: no model is as unruly.</summary>
internal static class StructuredRun
{
    private static readonly Lazy<TokenTrie> LazyTrie = new(() => TokenTrie.Of(Vocabulary));

    public static Vocabulary Vocabulary => TestModels.Model(TestModels.Default).Vocabulary;

    public static TokenTrie Trie => LazyTrie.Value;

    /// <summary>The grammar of a schema that has one.</summary>
    public static Grammar Compile(string schema)
    {
        var grammar = TryCompile(schema, out var problems);
        problems.ShouldBeEmpty(schema);
        return grammar.ShouldNotBeNull();
    }

    public static Grammar? TryCompile(string schema, out List<SchemaProblem> problems)
    {
        problems = [];
        var node = SchemaReader.Read(schema, problems);
        return problems.Count == 0 ? GrammarCompiler.Compile(node, JsonTypes.All, problems) : null;
    }

    /// <summary>Writes a document.</summary>
    /// <param name="grammar">Its grammar.</param>
    /// <param name="maxTokens">Most tokens.</param>
    /// <param name="random">Draws the logits.</param>
    /// <param name="spread">How much they differ; the more, the likelier are tokens that end nothing.</param>
    /// <returns>The text so far, and whether it ended by itself.</returns>
    public static (string Text, bool IsComplete) Write(Grammar grammar, int maxTokens, Random random, float spread = 3)
    {
        var constraint = new TokenConstraint(grammar, Trie, maxTokens);
        var sampler = new Sampler(
            new SamplingPlan { Seed = random.Next(), TopK = 0, TopP = 1, Temperature = 1 }, Vocabulary.EndTokens, [], constraint);
        var scratch = new SamplerScratch(Vocabulary.Count);
        var logits = new float[Vocabulary.Count];
        var text = new List<byte>();
        for (var i = 0; i < maxTokens; i++)
        {
            for (var id = 0; id < logits.Length; id++) logits[id] = (random.NextSingle() - 0.5f) * spread;
            var token = sampler.Sample(logits, scratch);
            if (Vocabulary.IsEnd(token)) return (Encoding.UTF8.GetString([.. text]), true);
            text.AddRange(Vocabulary.PrintedBytesOf(token));
            if (constraint.IsComplete) return (Encoding.UTF8.GetString([.. text]), true);
        }

        return (Encoding.UTF8.GetString([.. text]), false);
    }

    /// <summary>Whether a document can be written to its end.</summary>
    public static bool Accepts(Grammar grammar, string document)
    {
        var automaton = new Automaton(grammar, longestToken: 16);
        var position = automaton.Start;
        foreach (var value in Encoding.UTF8.GetBytes(document))
        {
            if (!automaton.TryStep(position, value, isNewKey: false, out position)) return false;
        }

        return automaton.MayEnd(position);
    }

    public static bool Accepts(string schema, string document) => Accepts(Compile(schema), document);

    public static string Quote(string text) => JsonSerializer.Serialize(text);
}
