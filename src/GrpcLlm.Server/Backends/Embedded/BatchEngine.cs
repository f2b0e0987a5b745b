using GrpcLlm.Server.Backends.Embedded.Kernels;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>What all streams of a model share: threads, buffers, memory for keys and values. Thread-safe.</summary>
internal sealed class BatchEngine : IAsyncDisposable
{
    private readonly BatchRunner _runner;
    private readonly StepLoop<Generation> _loop;

    /// <param name="name">Prefix of the threads' names.</param>
    /// <param name="model">The model.</param>
    /// <param name="kernels">The arithmetic.</param>
    /// <param name="pages">Memory for keys and values.</param>
    /// <param name="threads">Number of threads; above 0.</param>
    /// <param name="context">Most positions of a stream.</param>
    public BatchEngine(
        string name, EmbeddedModel model, KernelSet kernels, KvPagePool pages, int threads, int context)
    {
        Pages = pages;
        _runner = new BatchRunner(name, model, kernels, threads, context);
        _loop = new StepLoop<Generation>($"{name} 0", _runner.Round);
        WarmUp = WarmUpAsync(model);
    }

    /// <summary>Memory for keys and values.</summary>
    public KvPagePool Pages { get; }

    /// <summary>Completes when the first tokens are drawn, or the engine was stopped before; never fails for that.</summary>
    internal Task WarmUp { get; }

    /// <summary>Lets a stream take part in the next round.</summary>
    public void Enqueue(Generation generation) => _loop.Enqueue(generation);

    /// <summary>Stops after the running round. Streams that wait fail.</summary>
    public async ValueTask DisposeAsync()
    {
        await _loop.DisposeAsync();
        _runner.Dispose();
    }

    // Compiles the kernels and touches the weights now rather than with a caller waiting: a short prompt and one token
    // behind it, in memory of its own, so that no stream misses a page and no prefix stays.
    private async Task WarmUpAsync(EmbeddedModel model)
    {
        var pages = new KvPagePool(model.Network.Shape, Pages.Precision, maxPages: 1, maxCached: 0);
        int[] prompt = new int[4];
        var sampler = new Sampler(new SamplingPlan(), model.Vocabulary.EndTokens, prompt);
        using var generation = new Generation(pages, Enqueue, tenant: "", prompt, prompt.Length + 1, sampler, details: null);
        try
        {
            await generation.NextStepAsync(CancellationToken.None);
            await generation.NextStepAsync(CancellationToken.None);
        }
        catch (BackendException)
        {
            // Stopped meanwhile; or the weights are damaged, which every call is told.
        }
    }
}
