using System.Text;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>
/// The answer of a provider, from bytes to the chunks of the contract. Whatever arrives, it ends in one finish or one typed
/// failure, keeps the rules of events and of streams, and means the same however its bytes are split.
/// </summary>
internal sealed class StreamTarget(ProviderFormat format) : FuzzTarget
{
    private static readonly string?[] Types =
        [null, "none", "application/json", "text/event-stream", "application/x-ndjson", "text/plain", "text/html", "application/problem+json"];

    public override string Name => format.Kind;

    public override byte[] Make(Random random, IReadOnlyList<byte[]> corpus)
    {
        var valid = format.WriteAnswer(random);
        if (random.Next(4) == 0) return valid;
        var body = corpus.Count > 0 && random.Next(4) > 0 ? corpus[random.Next(corpus.Count)] : valid;
        var changed = Mutator.Change(random, StreamInput.Read(body).Body.ToArray(), [.. corpus, valid]);
        var type = random.Next(4) == 0 ? Types[random.Next(Types.Length)] : null;
        return [.. Encoding.UTF8.GetBytes(StreamInput.Line(("type", type))), .. changed];
    }

    // The body is read three times, and its events relayed twice.
    public override long MaxAllocation(int inputLength) => (8 << 20) + (4_000L * inputLength);

    public override void Check(byte[] input)
    {
        var given = StreamInput.Read(input);
        var random = Fingerprint.RandomOf(input);
        var (events, failure) = UpstreamAnswer.Read(format, given, new PiecewiseStream(given.Body));
        EventRules.Check(events, failure, given.Body.Length);
        var whole = Transcript.Of(events, failure);
        foreach (var body in new[] { new PiecewiseStream(given.Body, 1), new PiecewiseStream(given.Body, 40, random) })
        {
            var (again, otherFailure) = UpstreamAnswer.Read(format, given, body);
            var split = Transcript.Of(again, otherFailure);
            FindingException.Unless(split == whole, $"means something else when it is split:\n{whole}\nand\n{split}");
        }

        var text = RelayedAnswer.Check(events, failure, stalls: null);
        RelayedAnswer.Check(events, failure, random);
        if (given.Text is not { } expected) return;
        FindingException.Unless(failure is null, $"a valid answer fails: {failure?.Message}");
        FindingException.Unless(text == expected, $"the text is no copy: {text}");
    }
}
