namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>Buffers of one worker thread.</summary>
/// <param name="Forward">For the network.</param>
/// <param name="Sampler">For drawing.</param>
internal sealed record WorkerScratch(ForwardScratch Forward, SamplerScratch Sampler);

/// <summary>What all streams of a model share: threads with their buffers, and memory for keys and values.</summary>
internal sealed class EngineResources : IAsyncDisposable
{
    /// <param name="name">Prefix of the threads' names.</param>
    /// <param name="model">The model.</param>
    /// <param name="threads">Number of threads; above 0.</param>
    /// <param name="context">Most positions of a stream.</param>
    /// <param name="maxIdlePages">Pages kept for reuse.</param>
    public EngineResources(string name, EmbeddedModel model, int threads, int context, int maxIdlePages)
    {
        Pages = new KvPagePool(model.Network.Shape, maxIdlePages);
        Scratch = new WorkerScratch[threads];
        for (int i = 0; i < threads; i++)
        {
            Scratch[i] = new WorkerScratch(
                model.Network.CreateScratch(context), new SamplerScratch(model.Vocabulary.Count));
        }

        Scheduler = new TurnScheduler(name, threads);
    }

    /// <summary>Memory for keys and values.</summary>
    public KvPagePool Pages { get; }

    /// <summary>Buffers by worker.</summary>
    public WorkerScratch[] Scratch { get; }

    /// <summary>The threads.</summary>
    public TurnScheduler Scheduler { get; }

    public ValueTask DisposeAsync() => Scheduler.DisposeAsync();
}
