using GrpcLlm.Server.Backends.Embedded.Kernels;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Does rounds: each takes who wants a token now, one token each, and beside them a bounded piece of prompts, through one
/// pass over the weights. A long prompt thus delays others by its piece, not by its length; prompts take turns. Belongs
/// to one thread.
/// </summary>
internal sealed class BatchRunner : IDisposable
{
    /// <summary>Most streams that get their next token in one round; others are first in the next.</summary>
    public const int MaxStreams = 64;

    /// <summary>Most tokens of prompts in one round, all together.</summary>
    public const int MaxPromptTokens = 32;

    private const int MaxTokens = MaxStreams + MaxPromptTokens;

    // The end of a prompt is at least two tokens; a single one counts as a stream.
    private const int MaxOutputs = MaxStreams + (MaxPromptTokens / 2);

    private readonly ForwardBatch _batch = new(MaxTokens);
    private readonly List<Generation> _running = new(MaxTokens);
    private readonly WorkerTeam _team;
    private readonly ForwardPass _forward;
    private readonly Drawing _drawing;

    /// <param name="name">Prefix of the threads' names.</param>
    /// <param name="model">The model.</param>
    /// <param name="kernels">The arithmetic.</param>
    /// <param name="threads">Number of threads, this one included; above 0.</param>
    /// <param name="context">Most positions of a stream.</param>
    public BatchRunner(string name, EmbeddedModel model, KernelSet kernels, int threads, int context)
    {
        _team = new WorkerTeam(name, threads);
        _forward = new ForwardPass(model.Network, kernels, _team, MaxTokens, MaxOutputs, context);
        _drawing = new Drawing(_running, _batch, _forward, threads, model.Vocabulary.Count);
    }

    /// <summary>
    /// Does a round for some of the waiting, in their order, and takes out of the list those whose step is done or who
    /// have ended.
    /// </summary>
    public void Round(List<Generation> waiting)
    {
        Gather(waiting);
        if (_running.Count == 0) return;
        Exception? failure = null;
        bool isLarge = _forward.IsLarge(_batch);
        if (isLarge) _team.Wake();
        try
        {
            _forward.Run(_batch);
            _team.Run(_drawing, _running.Count);
        }
        catch (Exception error)
        {
            failure = error;
        }

        if (isLarge) _team.Rest();
        for (int i = 0; i < _running.Count; i++)
        {
            Generation generation = _running[i];
            if ((failure ?? _drawing.Errors[i]) is { } error)
            {
                _drawing.Errors[i] = null;
                generation.End(error);
            }
            else if (_batch.Sequences[i].Output >= 0)
            {
                generation.Complete();
            }
            else
            {
                // Behind the other prompts.
                generation.Pause();
                waiting.Add(generation);
            }
        }

        _running.Clear();
        _batch.Clear();
    }

    public void Dispose() => _team.Dispose();

    // Takes out of the list who takes part or has ended. Who is left out keeps its place.
    private void Gather(List<Generation> waiting)
    {
        int promptTokens = MaxPromptTokens;
        int streams = MaxStreams;
        int kept = 0;
        for (int i = 0; i < waiting.Count; i++)
        {
            Generation generation = waiting[i];
            int pending = generation.Pending.Length;
            bool isPrompt = pending > 1;
            if (isPrompt ? promptTokens == 0 : streams == 0)
            {
                waiting[kept++] = generation;
                continue;
            }

            if (!generation.TryBegin()) continue;
            int count = isPrompt ? Math.Min(pending, promptTokens) : 1;
            try
            {
                _batch.Add(generation.Cache, generation.Pending[..count], wantsLogits: count == pending);
                _running.Add(generation);
                if (isPrompt) promptTokens -= count;
                else streams--;
            }
            catch (Exception error)
            {
                generation.End(error); // no memory for its next page, say
            }
        }

        waiting.RemoveRange(kept, waiting.Count - kept);
    }

    /// <summary>Draws the tokens of all streams that have logits. What fails there fails one stream only.</summary>
    private sealed class Drawing : ParallelWork
    {
        private readonly List<Generation> _running;
        private readonly ForwardBatch _batch;
        private readonly ForwardPass _forward;
        private readonly SamplerScratch[] _scratch;

        public Drawing(
            List<Generation> running, ForwardBatch batch, ForwardPass forward, int threads, int vocabularySize)
        {
            (_running, _batch, _forward) = (running, batch, forward);
            _scratch = new SamplerScratch[threads];
            for (int i = 0; i < threads; i++) _scratch[i] = new SamplerScratch(vocabularySize);
        }

        public Exception?[] Errors { get; } = new Exception?[MaxTokens];

        public override void Run(int part, int worker)
        {
            int output = _batch.Sequences[part].Output;
            if (output < 0) return;
            try
            {
                _running[part].Draw(_forward.Logits.Span(output), _scratch[worker]);
            }
            catch (Exception error)
            {
                Errors[part] = error;
            }
        }
    }
}
