using System.Numerics.Tensors;
using GrpcLlm.Server.Backends.Embedded;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

/// <summary>What holds for every token: no allocation, and results that do not depend on addresses.</summary>
public sealed class SteadyStateTests
{
    [Fact]
    public void ForwardAndSample_SteadyState_AllocateNothing()
    {
        EmbeddedModel model = TestModels.Model(TestModels.Default);
        int[] prompt = model.Tokenizer.EncodePrompt("Once upon a time");
        ForwardScratch forward = model.Network.CreateScratch(512);
        var scratch = new SamplerScratch(model.Vocabulary.Count);
        var pool = new KvPagePool(model.Network.Shape, 4);
        pool.Return(pool.Rent()); // one page is at hand; 32 positions fit it
        using var cache = new KvCache(pool, 30);
        var plan = new SamplingPlan { Seed = 1, MinOutputTokens = 100 };
        var sampler = new Sampler(plan, model.Vocabulary.EndTokens, prompt);
        var text = new Utf8Assembler(model.Vocabulary);
        for (int id = 0; id < model.Vocabulary.Count; id++) model.Vocabulary.PrintedTextOf(id);

        int token = 0;
        long allocated = 0;
        model.Network.Forward(cache, prompt, forward, true, CancellationToken.None);
        for (int i = 0; i < 20; i++)
        {
            if (i == 10) allocated = GC.GetAllocatedBytesForCurrentThread();
            token = sampler.Sample(forward.Logits, scratch);
            text.Append(token);
            model.Network.Forward(cache, new ReadOnlySpan<int>(ref token), forward, true, CancellationToken.None);
        }

        (GC.GetAllocatedBytesForCurrentThread() - allocated).ShouldBe(0);
    }

    [Theory]
    [InlineData(32)]
    [InlineData(192)]
    [InlineData(509)]
    public void Dot_AnyAlignment_GivesSameBits(int length)
    {
        var random = new Random(2);
        float[] x = [.. Enumerable.Range(0, length).Select(_ => (random.NextSingle() * 2) - 1)];
        float[] y = [.. Enumerable.Range(0, length).Select(_ => (random.NextSingle() * 2) - 1)];
        float expected = TensorPrimitives.Dot<float>(x, y);
        for (int shift = 0; shift < 17; shift++)
        {
            float[] left = [.. new float[shift], .. x];
            float[] right = [.. new float[16 - shift], .. y];
            TensorPrimitives.Dot<float>(left.AsSpan(shift), right.AsSpan(16 - shift)).ShouldBe(expected);
        }
    }

    [Fact]
    public void Softmax_AnyAlignment_GivesSameBitsAndSumsToOne()
    {
        var random = new Random(2);
        float[] scores = [.. Enumerable.Range(0, 77).Select(_ => (random.NextSingle() * 20) - 10)];
        float[] expected = [.. scores];
        VectorMath.Softmax(expected);
        expected.Sum().ShouldBe(1, 1e-5);
        for (int shift = 0; shift < 17; shift++)
        {
            float[] shifted = [.. new float[shift], .. scores];
            VectorMath.Softmax(shifted.AsSpan(shift));
            shifted[shift..].ShouldBe(expected);
        }
    }

    [Fact]
    public void Forward_Cancelled_LeavesTheCacheAsItWas()
    {
        EmbeddedModel model = TestModels.Model(TestModels.Default);
        var pool = new KvPagePool(model.Network.Shape, 0);
        using (var cache = new KvCache(pool, 10))
        {
            ForwardScratch scratch = model.Network.CreateScratch(10);
            model.Network.Forward(cache, [1, 2], scratch, true, new CancellationToken(canceled: true)).ShouldBeFalse();
            cache.Length.ShouldBe(0);
            pool.PagesInUse.ShouldBe(1);
            Should.Throw<InvalidOperationException>(() => cache.Reserve(11));
        }

        pool.PagesInUse.ShouldBe(0);
    }
}
