using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Backends.Embedded.Chat;
using GrpcLlm.Server.Backends.Embedded.Kernels;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

/// <summary>
/// The network and the tokenizers against vectors computed in float64 by an independent program, on every path of the
/// kernels. A width that this processor lacks is emulated.
/// </summary>
public sealed class ReferenceVectorTests
{
    // Below this margin between the two best logits a greedy step may differ by rounding alone.
    private const double SafeMargin = 0.02;

    // The same with keys and values in half precision.
    private const double SafeMarginInHalf = 0.1;

    private static readonly string[] Models =
        [TestModels.Default, TestModels.GroupedHeads, TestModels.SentencePiece, TestModels.RopeFactors, TestModels.KQuants];

    private static readonly KernelSet[] Paths =
        [KernelSet.Scalar, KernelSet.Vector128, KernelSet.Vector256, KernelSet.Vector512];

    public static TheoryData<string, string> ModelsAndPaths =>
        [.. Models.SelectMany(_ => Paths, (model, path) => (model, path.Name))];

    [Theory]
    [MemberData(nameof(ModelsAndPaths))]
    public void Forward_ReferencePrompts_GivesReferenceLogits(string model, string path)
    {
        double tolerance = model is TestModels.Default ? 0.001 : 0.002;
        using var run = new ModelRun(model, PathOf(path));
        foreach (ReferencePrompt prompt in TestModels.Vectors(model).Prompts)
        {
            KvCache cache = run.Open();
            float[] logits = run.Feed(cache, prompt.Ids);
            if (prompt.Logits is { } expected)
                logits.Zip(expected, (x, y) => (double)Math.Abs(x - y)).Max().ShouldBeLessThan(tolerance);
            ShouldMatch(logits, prompt.Top20, tolerance);
            if (prompt.Top20AfterGreedy is not { } after) continue;
            ShouldMatch(run.Feed(cache, prompt.GreedyIds), after, tolerance);
        }
    }

    [Theory]
    [MemberData(nameof(ModelsAndPaths))]
    public void Forward_ReferenceContinuation_BestTokenIsTheReferencesUnlessTheMarginIsNarrow(string model, string path)
    {
        using var run = new ModelRun(model, PathOf(path));
        FollowGreedy(run, model, SafeMargin).ShouldBeGreaterThan(30);
    }

    [Theory]
    [InlineData(TestModels.Default, 0.02)]
    [InlineData(TestModels.GroupedHeads, 0.05)]
    [InlineData(TestModels.SentencePiece, 0.05)]
    [InlineData(TestModels.RopeFactors, 0.05)]
    [InlineData(TestModels.KQuants, 0.05)]
    public void Forward_KeysAndValuesInHalf_StaysNearReference(string model, double tolerance)
    {
        using var run = new ModelRun(model, precision: KeyValuePrecision.F16);
        foreach (ReferencePrompt prompt in TestModels.Vectors(model).Prompts)
            ShouldMatch(run.Feed(run.Open(), prompt.Ids), prompt.Top20, tolerance);
        FollowGreedy(run, model, SafeMarginInHalf).ShouldBeGreaterThan(20);
    }

    [Theory]
    [InlineData(TestModels.Default)]
    [InlineData(TestModels.GroupedHeads)]
    [InlineData(TestModels.SentencePiece)]
    [InlineData(TestModels.RopeFactors)]
    [InlineData(TestModels.KQuants)]
    public void Forward_AnyPath_GivesTheSameBits(string model)
    {
        int[] ids = [.. TestModels.Vectors(model).Prompts.MaxBy(prompt => prompt.Ids.Length)!.Ids.Take(40)];
        foreach (KeyValuePrecision precision in Enum.GetValues<KeyValuePrecision>())
        {
            using var scalar = new ModelRun(model, KernelSet.Scalar, precision);
            float[] expected = scalar.Feed(scalar.Open(), ids);
            foreach (KernelSet path in Paths)
            {
                using var run = new ModelRun(model, path, precision);
                run.Feed(run.Open(), ids).ShouldBe(expected, path.Name);
            }
        }
    }

    [Theory]
    [InlineData(TestModels.Default)]
    [InlineData(TestModels.GroupedHeads)]
    [InlineData(TestModels.SentencePiece)]
    [InlineData(TestModels.RopeFactors)]
    [InlineData(TestModels.KQuants)]
    public void Encode_ReferenceTexts_GivesReferenceIds(string name)
    {
        ReferenceVectors vectors = TestModels.Vectors(name);
        Tokenizer tokenizer = TestModels.Model(name).Tokenizer;
        foreach (ReferenceTokens entry in vectors.Tokenizer)
            tokenizer.Encode(entry.Text).ShouldBe(entry.Ids, entry.Text);
        foreach (ReferencePrompt prompt in vectors.Prompts)
            tokenizer.EncodePrompt(prompt.Text).ShouldBe(prompt.Ids, prompt.Text);
    }

    [Theory]
    [InlineData(TestModels.GroupedHeads)]
    [InlineData(TestModels.SentencePiece)]
    [InlineData(TestModels.RopeFactors)]
    [InlineData(TestModels.KQuants)]
    public void EncodeChat_ReferenceTextsByATemplate_GivesReferenceIds(string name)
    {
        Tokenizer tokenizer = TestModels.Model(name).Tokenizer;
        foreach (ReferenceTokens entry in TestModels.Vectors(name).TokenizerSpecial.ShouldNotBeNull())
        {
            int begin = tokenizer.Vocabulary.BeginOfText!.Value;
            int[] expected = entry.Ids[0] == begin ? entry.Ids : [begin, .. entry.Ids];
            tokenizer.EncodeChat(new ChatPrompt(MarkedText.Of(entry.Text)), new HashSet<int>()).ShouldBe(expected, entry.Text);
        }
    }

    private static KernelSet PathOf(string name) => Paths.Single(path => path.Name == name);

    private static int FollowGreedy(ModelRun run, string model, double margin)
    {
        int compared = 0;
        foreach (ReferencePrompt prompt in TestModels.Vectors(model).Prompts)
        {
            KvCache cache = run.Open();
            float[] logits = run.Feed(cache, prompt.Ids);
            for (int step = 0; step < prompt.GreedyIds.Length; step++)
            {
                if (prompt.GreedyMargins[step] >= margin)
                {
                    Array.IndexOf(logits, logits.Max()).ShouldBe(prompt.GreedyIds[step]);
                    compared++;
                }

                logits = run.Feed(cache, [prompt.GreedyIds[step]]);
            }
        }

        return compared;
    }

    private static void ShouldMatch(float[] logits, double[][] entries, double tolerance)
    {
        foreach (double[] entry in entries) ((double)logits[(int)entry[0]]).ShouldBe(entry[1], tolerance);
    }
}
