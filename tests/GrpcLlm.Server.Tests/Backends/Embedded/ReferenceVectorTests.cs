using GrpcLlm.Server.Backends.Embedded;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

/// <summary>The network and the tokenizers against vectors computed in float64 by an independent program.</summary>
public sealed class ReferenceVectorTests
{
    // Below this margin between the two best logits a greedy step may differ by rounding alone.
    private const double SafeMargin = 0.02;

    [Theory]
    [InlineData(TestModels.Default, 0.001)]
    [InlineData(TestModels.GroupedHeads, 0.002)]
    [InlineData(TestModels.SentencePiece, 0.002)]
    [InlineData(TestModels.RopeFactors, 0.002)]
    public void Forward_ReferencePrompts_GivesReferenceLogits(string name, double tolerance)
    {
        foreach (ReferencePrompt prompt in TestModels.Vectors(name).Prompts)
        {
            using var run = new ModelRun(name);
            float[] logits = run.Feed(prompt.Ids);
            if (prompt.Logits is { } expected)
                logits.Zip(expected, (x, y) => (double)Math.Abs(x - y)).Max().ShouldBeLessThan(tolerance);
            ShouldMatch(logits, prompt.Top20, tolerance);
        }
    }

    [Theory]
    [InlineData(TestModels.Default)]
    [InlineData(TestModels.GroupedHeads)]
    [InlineData(TestModels.SentencePiece)]
    [InlineData(TestModels.RopeFactors)]
    public void Forward_Greedy_FollowsReferenceUpToTheFirstNarrowMargin(string name)
    {
        int compared = 0;
        foreach (ReferencePrompt prompt in TestModels.Vectors(name).Prompts)
        {
            using var run = new ModelRun(name);
            float[] logits = run.Feed(prompt.Ids);
            for (int step = 0; step < prompt.GreedyIds.Length && prompt.GreedyMargins[step] >= SafeMargin; step++)
            {
                Array.IndexOf(logits, logits.Max()).ShouldBe(prompt.GreedyIds[step]);
                logits = run.Feed([prompt.GreedyIds[step]]);
                compared++;
            }
        }

        compared.ShouldBeGreaterThan(30);
    }

    [Theory]
    [InlineData(TestModels.GroupedHeads)]
    [InlineData(TestModels.SentencePiece)]
    [InlineData(TestModels.RopeFactors)]
    public void Forward_AfterGreedyIds_GivesReferenceLogits(string name)
    {
        foreach (ReferencePrompt prompt in TestModels.Vectors(name).Prompts)
        {
            using var run = new ModelRun(name);
            float[] logits = run.Feed([.. prompt.Ids, .. prompt.GreedyIds]);
            ShouldMatch(logits, prompt.Top20AfterGreedy!, 0.002);
        }
    }

    [Theory]
    [InlineData(TestModels.Default)]
    [InlineData(TestModels.GroupedHeads)]
    [InlineData(TestModels.SentencePiece)]
    public void Forward_TokensTogetherOrOneByOne_GivesSameBits(string name)
    {
        int[] ids = TestModels.Vectors(name).Prompts.MaxBy(prompt => prompt.Ids.Length)!.Ids;
        using var together = new ModelRun(name);
        using var single = new ModelRun(name);
        float[] expected = together.Feed(ids);
        float[] actual = [];
        foreach (int id in ids) actual = single.Feed([id]);
        actual.ShouldBe(expected);
    }

    [Theory]
    [InlineData(TestModels.Default)]
    [InlineData(TestModels.GroupedHeads)]
    [InlineData(TestModels.SentencePiece)]
    [InlineData(TestModels.RopeFactors)]
    public void Encode_ReferenceTexts_GivesReferenceIds(string name)
    {
        ReferenceVectors vectors = TestModels.Vectors(name);
        Tokenizer tokenizer = TestModels.Model(name).Tokenizer;
        foreach (ReferenceTokens entry in vectors.Tokenizer)
            tokenizer.Encode(entry.Text).ShouldBe(entry.Ids, entry.Text);
        foreach (ReferencePrompt prompt in vectors.Prompts)
            tokenizer.EncodePrompt(prompt.Text).ShouldBe(prompt.Ids, prompt.Text);
    }

    private static void ShouldMatch(float[] logits, double[][] entries, double tolerance)
    {
        foreach (double[] entry in entries) ((double)logits[(int)entry[0]]).ShouldBe(entry[1], tolerance);
    }

    /// <summary>One sequence on a model, run on this thread.</summary>
    private sealed class ModelRun : IDisposable
    {
        private readonly LlamaModel _network;
        private readonly ForwardScratch _scratch;
        private readonly KvCache _cache;

        public ModelRun(string name)
        {
            _network = TestModels.Model(name).Network;
            _scratch = _network.CreateScratch(_network.Shape.Context);
            _cache = new KvCache(new KvPagePool(_network.Shape, 0), _network.Shape.Context);
        }

        public float[] Feed(int[] tokens)
        {
            foreach (int[] chunk in tokens.Chunk(ForwardScratch.MaxTokens))
                _network.Forward(_cache, chunk, _scratch, wantLogits: true, CancellationToken.None).ShouldBeTrue();
            return [.. _scratch.Logits];
        }

        public void Dispose() => _cache.Dispose();
    }
}
