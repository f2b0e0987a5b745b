using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Backends.Embedded.Kernels;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

/// <summary>Rounds on this thread, so that who is in which is exact.</summary>
public sealed class BatchRunnerTests : IDisposable
{
    private static readonly EmbeddedModel Model = TestModels.Model(TestModels.Default);

    private readonly KvPagePool _pool = new(Model.Network.Shape, KeyValuePrecision.F16, 1000, 0);
    private readonly BatchRunner _runner = new("test", Model, KernelSet.Best, 1, 512);
    private readonly List<Generation> _waiting = [];
    private readonly List<Generation> _all = [];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        foreach (Generation generation in _all) generation.Dispose();
        _runner.Dispose();
        _pool.PagesInUse.ShouldBe(0);
    }

    [Fact]
    public async Task Round_LongPromptBesideStreams_EveryStreamGetsATokenEachRound()
    {
        Generation[] streams = [.. Enumerable.Range(0, 8).Select(_ => Start(1))];
        ValueTask<bool> first = Start(400).NextStepAsync(Token);
        for (int round = 0; round < 13; round++)
        {
            first.IsCompleted.ShouldBeFalse();
            ValueTask<bool>[] steps = [.. streams.Select(stream => stream.NextStepAsync(Token))];
            _runner.Round(_waiting);
            foreach (ValueTask<bool> step in steps)
            {
                step.IsCompleted.ShouldBeTrue();
                await step;
            }

            streams.ShouldAllBe(stream => stream.Cache.Length == round + 1);
            _all[^1].Cache.Length.ShouldBe(Math.Min(400, (round + 1) * BatchRunner.MaxPromptTokens));
        }

        first.IsCompleted.ShouldBeTrue();
        await first;
        _waiting.ShouldBeEmpty();
    }

    [Fact]
    public void Round_LongAndShortPrompts_TakeTurnsWithinOnePiece()
    {
        Generation longer = Ask(Start(100));
        Generation[] shorter = [Ask(Start(40)), Ask(Start(8)), Ask(Start(8))];
        List<int[]> lengths = [];
        while (_waiting.Count > 0)
        {
            _runner.Round(_waiting);
            lengths.Add([longer.Cache.Length, .. shorter.Select(generation => generation.Cache.Length)]);
        }

        // 32 tokens a round; who is not done goes to the end.
        lengths.ShouldBe(
            [[32, 0, 0, 0], [32, 32, 0, 0], [48, 32, 8, 8], [72, 40, 8, 8], [100, 40, 8, 8]]);
    }

    [Fact]
    public void Round_NotAsked_StreamIsInNone()
    {
        Generation paused = Ask(Start(5));
        Generation read = Ask(Start(5));
        _runner.Round(_waiting);
        for (int i = 0; i < 5; i++)
        {
            Ask(read);
            _runner.Round(_waiting);
        }

        read.Cache.Length.ShouldBe(10);
        paused.Cache.Length.ShouldBe(5);
    }

    [Fact]
    public void Round_MoreStreamsThanItTakes_OthersAreFirstInTheNext()
    {
        for (int i = 0; i < BatchRunner.MaxStreams + 3; i++) Ask(Start(1));
        _runner.Round(_waiting);
        _waiting.ShouldBe(_all.TakeLast(3));
        Ask(_all[0]);
        _runner.Round(_waiting);
        _waiting.ShouldBeEmpty();
        _all[^1].Cache.Length.ShouldBe(1);
        _all[0].Cache.Length.ShouldBe(2);
    }

    [Fact]
    public async Task Round_CancelledBetweenPieces_LeavesAtOnceWithItsMemory()
    {
        using var cancel = new CancellationTokenSource();
        Generation generation = Start(100);
        ValueTask<bool> step = generation.NextStepAsync(cancel.Token);
        _runner.Round(_waiting);
        await cancel.CancelAsync();

        generation.Cancel();

        (await step).ShouldBeFalse();
        generation.Dispose();
        _runner.Round(_waiting);
        _waiting.ShouldBeEmpty();
    }

    [Fact]
    public async Task Round_OneStreamFails_OthersGoOn()
    {
        var damaged = new SamplingPlan { LogitBias = [KeyValuePair.Create(3, double.PositiveInfinity)] };
        Generation failing = Start(5, damaged);
        Generation other = Start(5);
        ValueTask<bool> failed = failing.NextStepAsync(Token);
        ValueTask<bool> done = other.NextStepAsync(Token);

        _runner.Round(_waiting);

        BackendException error = await Should.ThrowAsync<BackendException>(async () => await failed);
        error.Failure.ShouldBe(BackendFailure.Failed);
        await done;
    }

    private Generation Start(int promptTokens, SamplingPlan? plan = null)
    {
        int[] prompt = [.. Enumerable.Range(0, promptTokens).Select(i => 300 + ((i * 37) % 1000))];
        var sampler = new Sampler(
            plan ?? new SamplingPlan { MinOutputTokens = 1000 }, Model.Vocabulary.EndTokens, prompt);
        var generation = new Generation(_pool, _waiting.Add, "", prompt, promptTokens + 100, sampler, null);
        _all.Add(generation);
        return generation;
    }

    private static Generation Ask(Generation generation)
    {
        ValueTask<bool> step = generation.NextStepAsync(Token);
        step.IsCompleted.ShouldBeFalse();
        return generation;
    }
}
