using System.Runtime.CompilerServices;
using GrpcLlm.Server.Backends.Embedded.Kernels;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// Runs batches through the network: RMSNorm, grouped-query attention with RoPE, SwiGLU. One pass over the weights
/// serves all tokens. What a token gets does not depend, to the bit, on what else is in the batch, nor on the number of
/// threads. Holds the buffers, made once. Belongs to one thread, which leads the team.
/// </summary>
internal sealed class ForwardPass : ParallelWork
{
    // Below so many multiplications in all, a step is over before helpers are awake; below so many in one part of it,
    // handing it out costs more than it saves.
    private const long WorthWaking = 6_000_000;
    private const long WorthSharing = 100_000;

    private const int RowsInUnit = 16; // of a matrix: whole lanes
    private const int TokensInPart = 4;
    private const int PartsPerThread = 4;

    private readonly LlamaModel _model;
    private readonly LlamaShape _shape;
    private readonly KernelSet _kernels;
    private readonly WorkerTeam _team;
    private readonly LaneBuffer _residual, _normalized, _query, _key, _value, _attention, _gate, _up, _outputs;
    private readonly LaneBuffer _angles;
    private readonly float[][] _room;

    private ForwardBatch _batch = null!;
    private LlamaWeights.Layer _layer = null!;
    private int _layerNumber;
    private Stage _stage;
    private int _partRows;

    /// <param name="model">The network.</param>
    /// <param name="kernels">The arithmetic.</param>
    /// <param name="team">Threads.</param>
    /// <param name="maxTokens">Most tokens of a batch.</param>
    /// <param name="maxOutputs">Most streams of a batch whose logits are wanted.</param>
    /// <param name="context">Most positions of a stream.</param>
    public ForwardPass(
        LlamaModel model, KernelSet kernels, WorkerTeam team, int maxTokens, int maxOutputs, int context)
    {
        (_model, _shape, _kernels, _team) = (model, model.Shape, kernels, team);
        _residual = new LaneBuffer(maxTokens, _shape.Width);
        _normalized = new LaneBuffer(maxTokens, _shape.Width);
        _query = new LaneBuffer(maxTokens, _shape.Width);
        _key = new LaneBuffer(maxTokens, _shape.KeyValueWidth);
        _value = new LaneBuffer(maxTokens, _shape.KeyValueWidth);
        _attention = new LaneBuffer(maxTokens, _shape.Width);
        _gate = new LaneBuffer(maxTokens, _shape.FeedForward);
        _up = new LaneBuffer(maxTokens, _shape.FeedForward);
        _outputs = new LaneBuffer(maxOutputs, _shape.Width);
        Logits = new LaneBuffer(maxOutputs, model.VocabularySize);
        _angles = new LaneBuffer(maxTokens, 2 * model.Rotary.Pairs);
        _room = new float[team.Threads][];
        int room = kernels.RoomFor(Math.Max(_shape.Width, _shape.FeedForward), context);
        for (int i = 0; i < _room.Length; i++) _room[i] = new float[room];
    }

    private enum Stage
    {
        Embed,
        AttentionNorm,
        Projections,
        Attention,
        AttentionOutput,
        FeedForwardNorm,
        GateAndUp,
        Down,
        OutputNorm,
        Output,
    }

    /// <summary>Raw logits, a row for each stream that wanted them.</summary>
    public LaneBuffer Logits { get; }

    /// <summary>Whether a batch is work enough to wake helpers for.</summary>
    public bool IsLarge(ForwardBatch batch) => _model.Multiplications * batch.TokenCount >= WorthWaking;

    /// <summary>Runs a batch and counts its tokens in the caches.</summary>
    public void Run(ForwardBatch batch)
    {
        _batch = batch;
        int tokens = batch.TokenCount;
        int tokenParts = (tokens + TokensInPart - 1) / TokensInPart;
        Share(Stage.Embed, tokenParts);
        for (_layerNumber = 0; _layerNumber < _shape.Layers; _layerNumber++)
        {
            _layer = _model.Weights.Layers[_layerNumber];
            Share(Stage.AttentionNorm, tokenParts);
            ShareRows(Stage.Projections, _shape.Width + (2 * _shape.KeyValueWidth), _shape.Width, tokens);
            Share(Stage.Attention, batch.Count * _shape.KeyValueHeads);
            ShareRows(Stage.AttentionOutput, _shape.Width, _shape.Width, tokens);
            Share(Stage.FeedForwardNorm, tokenParts);
            ShareRows(Stage.GateAndUp, _shape.FeedForward, 2 * _shape.Width, tokens);
            ShareRows(Stage.Down, _shape.Width, _shape.FeedForward, tokens);
        }

        if (batch.OutputCount > 0)
        {
            Share(Stage.OutputNorm, batch.Count);
            ShareRows(Stage.Output, _model.VocabularySize, _shape.Width, batch.OutputCount);
        }

        batch.Commit();
    }

    public override void Run(int part, int worker)
    {
        float[] room = _room[worker];
        (int start, int end) = (part * _partRows, (part + 1) * _partRows);
        int tokens = _batch.TokenCount;
        switch (_stage)
        {
            case Stage.Embed:
                Embed(part * TokensInPart, Math.Min(tokens, (part + 1) * TokensInPart));
                break;
            case Stage.AttentionNorm:
                Normalize(_layer.AttentionNorm, part * TokensInPart, Math.Min(tokens, (part + 1) * TokensInPart));
                break;
            case Stage.Projections:
                Multiply(_layer.Query, start, end, _normalized, _query, room);
                (start, end) = (start - _shape.Width, end - _shape.Width);
                Multiply(_layer.Key, start, end, _normalized, _key, room);
                (start, end) = (start - _shape.KeyValueWidth, end - _shape.KeyValueWidth);
                Multiply(_layer.Value, start, end, _normalized, _value, room);
                break;
            case Stage.Attention:
                (int sequence, int head) = Math.DivRem(part, _shape.KeyValueHeads);
                Attend(_batch.Sequences[sequence], head, room);
                break;
            case Stage.AttentionOutput:
                Multiply(_layer.AttentionOutput, start, end, _attention, _normalized, room);
                AddToResidual(start, end);
                break;
            case Stage.FeedForwardNorm:
                Normalize(_layer.FeedForwardNorm, part * TokensInPart, Math.Min(tokens, (part + 1) * TokensInPart));
                break;
            case Stage.GateAndUp:
                Multiply(_layer.Gate, start, end, _normalized, _gate, room);
                Multiply(_layer.Up, start, end, _normalized, _up, room);
                for (int i = 0; i < tokens; i++)
                {
                    _kernels.SwiGlu(
                        ref Unsafe.Add(ref _gate.Row(i), start), ref Unsafe.Add(ref _up.Row(i), start),
                        Math.Min(end, _gate.Stride) - start);
                }

                break;
            case Stage.Down:
                Multiply(_layer.Down, start, end, _gate, _normalized, room);
                AddToResidual(start, end);
                break;
            case Stage.OutputNorm:
                NormalizeLast(_batch.Sequences[part]);
                break;
            case Stage.Output:
                _kernels.Multiply(
                    _model.Weights.Output, start, Math.Min(end, _model.VocabularySize), _outputs, Logits,
                    _batch.OutputCount, room);
                break;
            default:
                throw new InvalidOperationException($"{_stage} is no stage.");
        }
    }

    private void Share(Stage stage, int parts)
    {
        _stage = stage;
        _team.Run(this, parts);
    }

    // A few parts for each thread, so that one that is held up leaves the rest to the others.
    private void ShareRows(Stage stage, int rows, int columns, int count)
    {
        bool isShared = _team.IsAwake && (long)rows * columns * count >= WorthSharing;
        int parts = isShared ? _team.Threads * PartsPerThread : 1;
        int units = (rows + RowsInUnit - 1) / RowsInUnit;
        _partRows = (units + parts - 1) / parts * RowsInUnit;
        Share(stage, (rows + _partRows - 1) / _partRows);
    }

    private void Embed(int start, int end)
    {
        for (int i = start; i < end; i++)
        {
            _kernels.Decode(_model.Weights.Embedding, _batch.Tokens[i], ref _residual.Row(i));
            _model.Rotary.Angles(_batch.Positions[i], _angles.Span(i));
        }
    }

    private void Normalize(float[] weight, int start, int end)
    {
        for (int i = start; i < end; i++)
        {
            _kernels.Normalize(
                ref _residual.Row(i), ref weight[0], _shape.Width, _shape.NormEpsilon, ref _normalized.Row(i));
        }
    }

    private void NormalizeLast(ForwardBatch.Sequence sequence)
    {
        if (sequence.Output < 0) return;
        _kernels.Normalize(
            ref _residual.Row(sequence.Row + sequence.Count - 1), ref _model.Weights.OutputNorm[0], _shape.Width,
            _shape.NormEpsilon, ref _outputs.Row(sequence.Output));
    }

    // The part of a range of rows that a matrix has.
    private void Multiply(
        WeightMatrix matrix, int start, int end, LaneBuffer inputs, LaneBuffer outputs, float[] room)
    {
        (start, end) = (Math.Max(start, 0), Math.Min(end, matrix.Rows));
        if (start < end) _kernels.Multiply(matrix, start, end, inputs, outputs, _batch.TokenCount, room);
    }

    private void AddToResidual(int start, int end)
    {
        int length = Math.Min(end, _residual.Stride) - start;
        for (int i = 0; i < _batch.TokenCount; i++)
        {
            _kernels.Add(
                ref Unsafe.Add(ref _residual.Row(i), start), ref Unsafe.Add(ref _normalized.Row(i), start), length);
        }
    }

    private void Attend(ForwardBatch.Sequence sequence, int head, float[] room)
    {
        int length = _shape.HeadLength;
        int group = _shape.Heads / _shape.KeyValueHeads;
        int position = sequence.Cache.Length;
        int offset = KvPagePool.OffsetOf(_shape, _layerNumber, head);
        ReadOnlySpan<KvPage> pages = sequence.Cache.Pages;
        for (int i = 0; i < sequence.Count; i++)
        {
            int row = sequence.Row + i;
            Span<float> key = _key.Span(row).Slice(head * length, length);
            Span<float> angles = _angles.Span(row);
            _model.Rotary.Rotate(_query.Span(row).Slice(head * group * length, group * length), angles);
            _model.Rotary.Rotate(key, angles);
            (int page, int place) = Math.DivRem(position + i, KvPagePool.PagePositions);
            _kernels.Write(pages[page], offset, place, key, _value.Span(row).Slice(head * length, length));
        }

        _kernels.Answer(
            new AttentionQuestion
            {
                Pages = pages,
                Offset = offset,
                HeadLength = length,
                Position = position,
                Tokens = sequence.Count,
                Group = group,
                Row = sequence.Row,
                Column = head * group * length,
                Queries = _query,
                Answers = _attention,
            },
            room);
    }
}
