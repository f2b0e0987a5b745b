using Google.Protobuf;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests;

/// <summary>An answer of random parts, and the ways in which a server may cut it into messages.</summary>
internal sealed class RandomAnswer
{
    private static readonly string[] Letters = ["a", "ß", "日", "👩‍👧", "\n", " ", "{\"", "}"];

    private readonly List<ContentPart> _parts = [];

    public static RandomAnswer Of(Random random)
    {
        var answer = new RandomAnswer();
        for (var n = random.Next(0, 6); n > 0; n--)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(0, 12)).Select(_ => Letters[random.Next(Letters.Length)]));
            var part = random.Next(4) switch
            {
                0 => new ContentPart { Text = text },
                1 => new ContentPart { Reasoning = text },
                2 => new ContentPart { Refusal = text },
                _ => new ContentPart { ToolCall = new ToolCall { Id = $"id{n}", Name = $"tool{n}", ArgumentsJson = text } },
            };
            if (random.Next(2) == 0) part.Signature = ByteString.CopyFromUtf8($"s{n}");
            answer._parts.Add(part);
        }

        return answer;
    }

    public string ExpectedText() => string.Concat(_parts.Select(part => part.Text));

    /// <summary>The parts that are sent back: all but text that is empty and unsigned.</summary>
    public IEnumerable<ContentPart> ExpectedParts() => _parts.Where(part =>
        part.ContentCase == ContentPart.ContentOneofCase.ToolCall || !part.Signature.IsEmpty
        || (part.Text + part.Reasoning + part.Refusal).Length > 0);

    public static GenerationAnswer Accumulate(IEnumerable<TokenChunk> chunks)
    {
        var accumulator = new GenerationAccumulator();
        foreach (var chunk in chunks) accumulator.Add(chunk);
        return accumulator.ToAnswer();
    }

    /// <summary>One message per part, and the finish.</summary>
    public List<TokenChunk> Whole()
    {
        List<TokenChunk> chunks = [.. _parts.SelectMany((part, index) => Pieces(part, index, static text => [text]))];
        chunks.Add(Chunks.End(0));
        return chunks;
    }

    /// <summary>
    /// Every part cut anywhere, parts interleaved as those of parallel tool calls are, signatures on any message of their part
    /// or alone.
    /// </summary>
    public List<TokenChunk> Cut(Random random)
    {
        var queues = _parts.Select((part, index) => new Queue<TokenChunk>(Pieces(part, index, text => Cuts(random, text)))).ToList();
        var chunks = new List<TokenChunk>();
        while (queues.Any(queue => queue.Count > 0))
        {
            var queue = queues[random.Next(queues.Count)];
            if (queue.TryDequeue(out var chunk)) chunks.Add(chunk);
        }

        // The finish rides on the last delta or comes alone; progress and messages newer than this client are of no account.
        chunks.Insert(0, new TokenChunk { Progress = new Progress { Phase = ProgressPhase.Queued } });
        if (chunks.Count > 1 && random.Next(2) == 0) chunks[^1].Finish = Chunks.End(0).Finish;
        else chunks.Add(Chunks.End(0));
        return chunks;
    }

    private static List<string> Cuts(Random random, string text)
    {
        var pieces = GrpcLlm.Server.Tests.Testing.Properties.Cut(random, text);
        return pieces.Count > 0 ? pieces : [""];
    }

    private List<TokenChunk> Pieces(ContentPart part, int index, Func<string, List<string>> cut)
    {
        var text = part.ToolCall?.ArgumentsJson ?? part.Text + part.Reasoning + part.Refusal;
        var chunks = cut(text).ConvertAll(piece => Delta(part, piece));
        if (part.ContentCase == ContentPart.ContentOneofCase.ToolCall)
        {
            foreach (var chunk in chunks) chunk.ToolCall.Index = (uint)_parts.Take(index).Count(other => other.ToolCall is not null);
            (chunks[0].ToolCall.Id, chunks[0].ToolCall.Name) = (part.ToolCall!.Id, part.ToolCall.Name);
            chunks[^1].ToolCall.Done = true;
        }

        if (!part.Signature.IsEmpty)
        {
            var place = text.Length % (chunks.Count + 1);
            if (place == chunks.Count) chunks.Add(new TokenChunk { Signature = part.Signature });
            else chunks[place].Signature = part.Signature;
        }

        foreach (var chunk in chunks) chunk.PartIndex = (uint)index;
        return chunks;
    }

    private static TokenChunk Delta(ContentPart part, string piece) => part.ContentCase switch
    {
        ContentPart.ContentOneofCase.Text => new TokenChunk { Text = piece },
        ContentPart.ContentOneofCase.Reasoning => new TokenChunk { Reasoning = piece },
        ContentPart.ContentOneofCase.Refusal => new TokenChunk { Refusal = piece },
        _ => new TokenChunk { ToolCall = new ToolCallDelta { ArgumentsFragment = piece } },
    };
}
