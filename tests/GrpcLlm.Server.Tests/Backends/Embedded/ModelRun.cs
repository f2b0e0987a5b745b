using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Backends.Embedded.Kernels;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

/// <summary>Sequences on a model, run on this thread, with the threads and the kernels of choice.</summary>
internal sealed class ModelRun : IDisposable
{
    public const int MaxTokens = 48;

    private readonly EmbeddedModel _model;
    private readonly WorkerTeam _team;
    private readonly ForwardPass _forward;
    private readonly ForwardBatch _batch = new(MaxTokens);
    private readonly List<KvCache> _caches = [];

    public ModelRun(
        string name, KernelSet? kernels = null, KeyValuePrecision precision = KeyValuePrecision.F32, int threads = 1)
    {
        _model = TestModels.Model(name);
        _team = new WorkerTeam("test", threads);
        _forward = new ForwardPass(
            _model.Network, kernels ?? KernelSet.Best, _team, MaxTokens, MaxTokens, _model.Network.Shape.Context);
        Pages = new KvPagePool(_model.Network.Shape, precision, 1000, 0);
    }

    public KvPagePool Pages { get; init; }

    public KvCache Open() => Open([]);

    public KvCache Open(int[] prompt)
    {
        var cache = new KvCache(Pages, _model.Network.Shape.Context, "", prompt);
        _caches.Add(cache);
        return cache;
    }

    /// <summary>Runs tokens in pieces of some length; returns the logits after the last.</summary>
    public float[] Feed(KvCache cache, int[] tokens, int piece = 16)
    {
        float[] logits = [];
        foreach (int[] part in tokens.Chunk(piece)) logits = Step((cache, part))[0];
        return logits;
    }

    /// <summary>One pass for several sequences; returns the logits of each.</summary>
    public float[][] Step(params (KvCache Cache, int[] Tokens)[] sequences)
    {
        foreach ((KvCache cache, int[] tokens) in sequences) _batch.Add(cache, tokens, wantsLogits: true);
        _team.Wake();
        _forward.Run(_batch);
        _team.Rest();
        _batch.Clear();
        return [.. sequences.Select((_, i) => _forward.Logits.Span(i).ToArray())];
    }

    public void Dispose()
    {
        foreach (KvCache cache in _caches) cache.Dispose();
        _team.Dispose();
    }
}
