using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Backends.Embedded.Kernels;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

/// <summary>What holds for every token: no allocation, and results that depend on the stream alone.</summary>
public sealed class SteadyStateTests
{
    [Fact]
    public void Round_SteadyState_AllocatesNothing()
    {
        EmbeddedModel model = TestModels.Model(TestModels.Default);
        int[] prompt = model.Tokenizer.EncodePrompt("Once upon a time");
        var pool = new KvPagePool(model.Network.Shape, KeyValuePrecision.F16, 40, 40);
        KvPage?[] pages = [.. Enumerable.Range(0, 40).Select(_ => pool.Rent())];
        pool.Return(pages); // at hand now
        using var runner = new BatchRunner("test", model, KernelSet.Best, 1, 512);
        var waiting = new List<Generation>(8);
        var plan = new SamplingPlan { Seed = 1, MinOutputTokens = 1000, RepetitionPenalty = 1.1 };
        Generation[] streams = [.. Enumerable.Range(0, 5).Select(i => new Generation(
            pool, waiting.Add, "", prompt, 200, new Sampler(plan with { Seed = i }, model.Vocabulary.EndTokens, prompt), null))];
        var text = new Utf8Assembler(model.Vocabulary);
        for (int id = 0; id < model.Vocabulary.Count; id++) model.Vocabulary.PrintedTextOf(id);

        long allocated = 0;
        for (int i = 0; i < 150; i++)
        {
            if (i == 140) allocated = GC.GetAllocatedBytesForCurrentThread();
            foreach (Generation stream in streams)
            {
                ValueTask<bool> step = stream.NextStepAsync(CancellationToken.None);
                step.IsCompleted.ShouldBeFalse();
            }

            runner.Round(waiting);
            foreach (Generation stream in streams) text.Append(stream.Token);
        }

        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        foreach (Generation stream in streams) stream.Dispose();
        allocated.ShouldBe(0);
    }

    [Theory]
    [InlineData(TestModels.Default, 1)]
    [InlineData(TestModels.Default, 2)]
    [InlineData(TestModels.GroupedHeads, 2)]
    [InlineData(TestModels.KQuants, 3)]
    public void Forward_AloneOrInCompanyOfAnySize_GivesSameBits(string name, int threads)
    {
        int[] ids = [.. TestModels.Vectors(name).Prompts.MaxBy(prompt => prompt.Ids.Length)!.Ids];
        int[] others = [.. ids.Reverse()];
        using var alone = new ModelRun(name, precision: KeyValuePrecision.F16);
        float[] expected = alone.Feed(alone.Open(), ids, piece: 1);
        foreach (int piece in (int[])[2, 5, 16, 31])
            alone.Feed(alone.Open(), ids, piece).ShouldBe(expected, $"in pieces of {piece}");

        foreach (int company in (int[])[1, 2, 3, 4, 16])
        {
            using var run = new ModelRun(name, precision: KeyValuePrecision.F16, threads: threads);
            KvCache own = run.Open();
            KvCache[] beside = [.. Enumerable.Range(0, company).Select(_ => run.Open())];
            float[][] logits = [];
            for (int i = 0; i < ids.Length; i++)
            {
                (KvCache, int[])[] sequences = [.. beside.Select((cache, j) => (cache, others[..(1 + (j % 2))]))];
                int place = i % (company + 1);
                logits = run.Step([.. sequences[..place], (own, [ids[i]]), .. sequences[place..]]);
                if (i == ids.Length - 1) logits[place].ShouldBe(expected, $"beside {company}");
            }
        }
    }

    [Fact]
    public void Reserve_BeyondTheCapacity_IsRefused()
    {
        var pool = new KvPagePool(TestModels.Model(TestModels.Default).Network.Shape, KeyValuePrecision.F16, 1, 0);
        using (var cache = new KvCache(pool, 10, "", []))
        {
            Should.Throw<InvalidOperationException>(() => cache.Reserve(11));
            cache.Reserve(10);
            pool.PagesInUse.ShouldBe(1);
        }

        pool.PagesInUse.ShouldBe(0);
    }
}
