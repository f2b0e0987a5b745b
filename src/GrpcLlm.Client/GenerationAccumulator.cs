using GrpcLlm.V1;

namespace GrpcLlm.Client;

/// <summary>
/// Puts an answer together from its messages. However the answer was cut into messages, the result is the same. Takes the
/// messages of one generation in their order; not thread-safe.
/// </summary>
/// <example>
/// <code>
/// var accumulator = new GenerationAccumulator();
/// await foreach (var chunk in client.GenerateAsync(request)) accumulator.Add(chunk);
/// var answer = accumulator.ToAnswer();
/// </code>
/// </example>
public sealed class GenerationAccumulator
{
    // By part index, and within one by arrival.
    private readonly List<AnswerPart> _parts = [];
    private readonly List<TokenDetail> _tokens = [];
    private AnswerPart? _latest;
    private Started? _started;
    private Finish? _finish;
    private ulong _lastSequence;
    private uint _streamedTokens;

    /// <summary>Whether the finish has come.</summary>
    public bool IsFinished => _finish is not null;

    /// <summary>Adds the next message. Costs no more than its text is long.</summary>
    /// <param name="chunk">The message. Kept in part; must not change afterwards.</param>
    public void Add(TokenChunk chunk)
    {
        ArgumentNullException.ThrowIfNull(chunk);
        _lastSequence = chunk.Sequence;
        _streamedTokens += chunk.TokenCount;
        _started ??= chunk.Started;
        _finish ??= chunk.Finish;
        _tokens.AddRange(chunk.Tokens);
        if (chunk.DeltaCase != TokenChunk.DeltaOneofCase.None) PartFor(chunk).Add(chunk);
        if (!chunk.Signature.IsEmpty) PartSignedBy(chunk).Signature = chunk.Signature;
    }

    /// <summary>The answer so far. Costs as much as the answer is long; later messages do not change it.</summary>
    public GenerationAnswer ToAnswer() => ToAnswer(generation: null);

    /// <summary>The answer so far, with what the generation knows beside its messages.</summary>
    internal GenerationAnswer ToAnswer(Generation? generation) => new()
    {
        Text = TextOf(TokenChunk.DeltaOneofCase.Text),
        Reasoning = TextOf(TokenChunk.DeltaOneofCase.Reasoning),
        Refusal = TextOf(TokenChunk.DeltaOneofCase.Refusal),
        Parts = [.. _parts.Select(static part => part.ToContent()).OfType<ContentPart>()],
        ToolCalls = [.. PartsOf(TokenChunk.DeltaOneofCase.ToolCall).Select(static part => part.ToToolCall())],
        Tokens = [.. _tokens],
        Started = _started,
        Finish = _finish,
        Summary = generation?.Summary,
        RequestId = _started?.RequestId is { Length: > 0 } id ? id : generation?.RequestId ?? "",
        StreamedTokens = _streamedTokens,
        LastSequence = _lastSequence,
    };

    private IEnumerable<AnswerPart> PartsOf(TokenChunk.DeltaOneofCase kind) => _parts.Where(part => part.Kind == kind);

    private string TextOf(TokenChunk.DeltaOneofCase kind) => string.Concat(PartsOf(kind).Select(static part => part.Text));

    private AnswerPart PartFor(TokenChunk chunk)
    {
        if (_latest is { } latest && latest.Takes(chunk)) return latest;
        return _latest = _parts.Find(part => part.Takes(chunk)) ?? Insert(chunk.PartIndex);
    }

    /// <summary>The part that a signature belongs to; a new one if only the signature came (redacted reasoning).</summary>
    private AnswerPart PartSignedBy(TokenChunk chunk)
    {
        if (chunk.DeltaCase != TokenChunk.DeltaOneofCase.None) return _latest!;
        return _parts.FindLast(part => part.Index == chunk.PartIndex) ?? Insert(chunk.PartIndex);
    }

    private AnswerPart Insert(uint index)
    {
        var part = new AnswerPart(index);
        _parts.Insert(_parts.FindLastIndex(other => other.Index <= index) + 1, part);
        return part;
    }
}
