using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// One stream on the model: each step runs what is left of the prompt, in turns, and draws one token. Its memory grows
/// with its length and goes back on <see cref="Dispose"/>, which must not run beside a step.
/// </summary>
internal sealed class Generation : PacedWork, IDisposable
{
    private readonly Action<Generation> _enqueue;
    private readonly int[] _prompt;
    private readonly Sampler _sampler;
    private readonly TokenDetails? _details;
    private int _token;

    /// <param name="pages">Memory for keys and values.</param>
    /// <param name="enqueue">Lets it take part in the next round.</param>
    /// <param name="tenant">Whose it is.</param>
    /// <param name="prompt">The prompt's tokens; at least one.</param>
    /// <param name="maxPositions">Most tokens, prompt and output.</param>
    /// <param name="sampler">How to draw.</param>
    /// <param name="details">How to describe tokens; null for not at all.</param>
    public Generation(
        KvPagePool pages, Action<Generation> enqueue, string tenant, int[] prompt, int maxPositions, Sampler sampler,
        TokenDetails? details)
    {
        _enqueue = enqueue;
        _prompt = prompt;
        Cache = new KvCache(pages, maxPositions, tenant, prompt);
        _sampler = sampler;
        _details = details;
    }

    /// <summary>Keys and values.</summary>
    public KvCache Cache { get; }

    /// <summary>Tokens that must run before the next is drawn: the rest of the prompt, or the last drawn.</summary>
    public ReadOnlySpan<int> Pending => Cache.Length < _prompt.Length
        ? _prompt.AsSpan(Cache.Length)
        : new ReadOnlySpan<int>(ref _token);

    /// <summary>The token that the last step drew.</summary>
    public int Token => _token;

    /// <summary>What is told of it; null unless asked for.</summary>
    public TokenDetail? Detail { get; private set; }

    /// <summary>Draws a token.</summary>
    /// <param name="logits">The model's raw logits.</param>
    /// <param name="scratch">Buffers of this thread.</param>
    /// <exception cref="BackendException">The logits are not numbers.</exception>
    public void Draw(ReadOnlySpan<float> logits, SamplerScratch scratch)
    {
        _token = _sampler.Sample(logits, scratch);
        Detail = _details?.Describe(_token, logits);
    }

    public void Dispose() => Cache.Dispose();

    protected override void Enqueue() => _enqueue(this);
}
