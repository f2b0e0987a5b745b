using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Backends.Embedded.Structured;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Structured;

/// <summary>
/// Whatever the schema and whatever the model would like to say: what ends is valid, judged by
/// <see cref="SchemaValidator"/>. <c>GRPCLLM_SCHEMAS</c> is the number of schemas, 300 by default, of which the model itself
/// writes 15; a number that is set holds for the model too.
/// </summary>
public sealed class StructuredPropertyTests(ITestOutputHelper output)
{
    private static readonly int Count =
        int.TryParse(Environment.GetEnvironmentVariable("GRPCLLM_SCHEMAS"), out var count) ? count : 300;

    private static readonly int CountByModel = Count == 300 ? 15 : Count;

    [Fact]
    public void RandomSchema_RandomLogits_WhatEndsIsValidAndEverythingEnds()
    {
        int written = 0, without = 0, refused = 0;
        Properties.HoldsForSeeds(
            random =>
            {
                var schema = new RandomSchemas(random).Next();
                var grammar = StructuredRun.TryCompile(schema, out var problems);
                if (grammar is null)
                {
                    // What is refused is what no document matches, or a union that cannot be told apart.
                    if (problems.TrueForAll(problem => problem.Message.Contains("no document"))) without++;
                    else refused++;
                    return;
                }

                written++;
                for (var i = 0; i < 3; i++)
                {
                    var maxTokens = (int)Math.Min(grammar.ShortestDocument + random.Next(0, 300), 3000);
                    var (text, isComplete) = StructuredRun.Write(grammar, maxTokens, random, spread: i * 8);
                    isComplete.ShouldBeTrue($"{schema} cut at {maxTokens}: {text}");
                    SchemaValidator.Fault(schema, text).ShouldBeNull($"{schema} gave {text}");
                }
            },
            Count);
        output.WriteLine($"{written} schemas written three times each, {without} without a document, {refused} refused");
        written.ShouldBeGreaterThan(Count * 8 / 10);
    }

    [Fact]
    public void RandomSchema_TooFewTokens_IsCutButNeverInvalid()
    {
        Properties.HoldsForSeeds(
            random =>
            {
                var schema = new RandomSchemas(random).Next();
                if (StructuredRun.TryCompile(schema, out _) is not { } grammar) return;
                var (text, isComplete) = StructuredRun.Write(grammar, random.Next(1, 8), random);
                if (isComplete) SchemaValidator.Fault(schema, text).ShouldBeNull($"{schema} gave {text}");
            },
            Count);
    }

    [Fact]
    public void JsonObject_RandomLogits_IsAnObjectWithoutDuplicates()
    {
        var grammar = GrammarCompiler.Compile(SchemaReader.Anything(), JsonTypes.Object, []).ShouldNotBeNull();
        Properties.HoldsForSeeds(
            random =>
            {
                var (text, isComplete) = StructuredRun.Write(grammar, random.Next(2, 400), random, random.Next(12));
                isComplete.ShouldBeTrue(text);
                SchemaValidator.Fault("""{"type":"object"}""", text).ShouldBeNull(text);
            },
            Count / 3);
    }

    [Fact]
    public void FreeNames_OneLetterIsLikely_AreNeverTwice()
    {
        var grammar = StructuredRun.Compile("""{"type":"object","additionalProperties":{"type":"null"},"minProperties":40}""");
        Properties.HoldsForSeeds(
            random =>
            {
                var (text, isComplete) = StructuredRun.Write(grammar, (int)grammar.ShortestDocument + random.Next(200), random, spread: 0);
                isComplete.ShouldBeTrue(text);
                SchemaValidator.Fault("""{"type":"object","minProperties":40}""", text).ShouldBeNull(text);
            },
            20);
    }

    [Fact]
    public void RandomSchema_TheModelItselfAfterAnyPrompt_EndsAndIsValid()
    {
        EmbeddedModel model = TestModels.Model(TestModels.Default);
        var prompts = TestModels.Vectors(TestModels.Default).Prompts;
        int written = 0;
        using var run = new ModelRun(TestModels.Default);
        var scratch = new SamplerScratch(model.Vocabulary.Count);
        Properties.HoldsForSeeds(
            random =>
            {
                var schema = new RandomSchemas(random).Next();
                if (StructuredRun.TryCompile(schema, out _) is not { } grammar || grammar.ShortestDocument > 200) return;
                const int maxTokens = 200;
                int[] prompt = random.Next(2) == 0
                    ? [.. prompts[random.Next(prompts.Length)].Ids.Take(ModelRun.MaxTokens)]
                    : [.. Enumerable.Range(0, random.Next(1, ModelRun.MaxTokens)).Select(_ => random.Next(model.Vocabulary.Count))];
                var constraint = new TokenConstraint(grammar, StructuredRun.Trie, maxTokens);
                var sampler = new Sampler(new SamplingPlan { Seed = random.Next() }, model.Vocabulary.EndTokens, prompt, constraint);
                var text = new Utf8Assembler(model.Vocabulary);
                var answer = "";
                using var cache = run.Open();
                int[] next = prompt;
                for (var i = 0; i < maxTokens && !constraint.IsComplete; i++)
                {
                    int token = sampler.Sample(run.Feed(cache, next), scratch);
                    if (model.Vocabulary.IsEnd(token)) break;
                    answer += text.Append(token);
                    next = [token];
                }

                SchemaValidator.Fault(schema, answer).ShouldBeNull($"{schema} gave {answer}");
                written++;
            },
            CountByModel);
        output.WriteLine($"{written} answers of the model");
        written.ShouldBeGreaterThan(CountByModel / 2);
    }
}
