using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// One stream on the model: each step runs what is left of the prompt, in turns, and draws one token. Its memory grows
/// with its length and goes back on <see cref="Dispose"/>, which must not run beside a step.
/// </summary>
internal sealed class Generation : PacedWork, IDisposable
{
    private readonly LlamaModel _network;
    private readonly WorkerScratch[] _scratch;
    private readonly int[] _prompt;
    private readonly KvCache _cache;
    private readonly Sampler _sampler;
    private readonly TokenDetails? _details;
    private int _token;

    /// <param name="engine">Threads, buffers and memory.</param>
    /// <param name="network">The model.</param>
    /// <param name="prompt">The prompt's tokens; at least one.</param>
    /// <param name="maxPositions">Most tokens, prompt and output.</param>
    /// <param name="sampler">How to draw.</param>
    /// <param name="details">How to describe tokens; null for not at all.</param>
    public Generation(
        EngineResources engine, LlamaModel network, int[] prompt, int maxPositions, Sampler sampler,
        TokenDetails? details)
        : base(engine.Scheduler)
    {
        _network = network;
        _scratch = engine.Scratch;
        _prompt = prompt;
        _cache = new KvCache(engine.Pages, maxPositions);
        _sampler = sampler;
        _details = details;
    }

    /// <summary>The token that the last step drew.</summary>
    public int Token => _token;

    /// <summary>What is told of it; null unless asked for.</summary>
    public TokenDetail? Detail { get; private set; }

    public void Dispose() => _cache.Dispose();

    protected override bool RunTurn(int worker, CancellationToken cancellationToken)
    {
        WorkerScratch scratch = _scratch[worker];
        ReadOnlySpan<int> next = _cache.Length < _prompt.Length
            ? _prompt.AsSpan(_cache.Length)
            : new ReadOnlySpan<int>(ref _token);
        bool isLast = next.Length <= ForwardScratch.MaxTokens;
        if (!isLast) next = next[..ForwardScratch.MaxTokens];
        if (!_network.Forward(_cache, next, scratch.Forward, isLast, cancellationToken) || !isLast) return false;

        _token = _sampler.Sample(scratch.Forward.Logits, scratch.Sampler);
        Detail = _details?.Describe(_token, scratch.Forward.Logits);
        return true;
    }
}
