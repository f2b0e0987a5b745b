namespace GrpcLlm.Cli.Bench.Ghz;

/// <summary>
/// Calls put together from ghz's <c>--debug</c> lines: each begins with <c>Making request</c> of its worker and ends
/// with a <c>Receive message</c> that has an error, <c>EOF</c> where all went well. ghz's logger drops lines once more
/// than a hundred of a kind came within a second, so nothing is trusted that the lines themselves do not prove whole.
/// </summary>
internal sealed class DebugRun
{
    /// <summary>Lines of one kind within a second that ghz's logger writes before it samples.</summary>
    private const int SamplingThreshold = 100;

    private readonly List<TimeSpan> _ttft = [];
    private readonly List<TimeSpan> _gaps = [];
    private readonly List<TimeSpan> _tpot = [];

    private DebugRun(string path) => Path = path;

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Calls that count: ended well, or cut by the client after at least one message.</summary>
    public int Calls { get; private set; }

    /// <summary>Calls that failed, by what the log says.</summary>
    public SortedDictionary<string, int> Failures { get; } = new(StringComparer.Ordinal);

    /// <summary>Why the gaps are not to be trusted, with the figures to judge it by; null: they are whole.</summary>
    public string? Refusal { get; private set; }

    /// <summary>Call to first message, of calls that show it; null: none does.</summary>
    public Latencies? Ttft { get; private set; }

    /// <summary>Message to message; null: see <see cref="Refusal"/>.</summary>
    public Latencies? Gaps { get; private set; }

    /// <summary>(last token − first token) / (tokens − 1) of each call; null: see <see cref="Refusal"/>, or none has two.</summary>
    public Latencies? Tpot { get; private set; }

    /// <summary>Whether chunks said how many tokens they hold; else each counted as one.</summary>
    public bool TokensAreCounted { get; private set; } = true;

    /// <summary>Reads a file.</summary>
    /// <exception cref="UsageException">It cannot be read, or a line is no line of that log.</exception>
    public static async Task<DebugRun> ReadAsync(string path, CancellationToken cancellationToken)
    {
        var lines = new List<DebugLine>();
        try
        {
            using var reader = new StreamReader(path);
            for (var number = 1; await reader.ReadLineAsync(cancellationToken) is { } text; number++)
            {
                if (string.IsNullOrWhiteSpace(text)) continue;
                if (!DebugLine.TryParse(text, out var line))
                    throw new UsageException($"'{path}', line {number}: no line of ghz's --debug log, or cut off.");
                if (line.Value.Event != DebugEvent.Other) lines.Add(line.Value);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"'{path}' cannot be read: {exception.Message}");
        }

        return Of(path, lines);
    }

    private static DebugRun Of(string path, List<DebugLine> lines)
    {
        var run = new DebugRun(path);
        run.Refusal = Sampled(lines, DebugEvent.Message) ?? Sampled(lines, DebugEvent.Request);
        foreach (var worker in lines.GroupBy(line => line.WorkerId, StringComparer.Ordinal)) run.AddWorker(worker.Key, worker);
        run.Ttft = Latencies.Of(run._ttft);
        if (run.Refusal is not null) return run;
        run.Gaps = Latencies.Of(run._gaps);
        run.Tpot = Latencies.Of(run._tpot);
        return run;
    }

    /// <summary>Why lines of a kind may be missing; null: the log never came to where it samples.</summary>
    private static string? Sampled(List<DebugLine> lines, DebugEvent kind)
    {
        var times = lines.Where(line => line.Event == kind).Select(line => line.Time).Order().ToList();
        for (var i = SamplingThreshold - 1; i < times.Count; i++)
        {
            if (times[i] - times[i - SamplingThreshold + 1] < TimeSpan.FromSeconds(1))
                return $"{SamplingThreshold} lines of one kind within a second: ghz's log leaves lines out from there on; slow the probe down";
        }

        return null;
    }

    private void AddWorker(string worker, IEnumerable<DebugLine> lines)
    {
        DateTimeOffset? begin = null;
        var chunks = new List<DebugLine>();
        foreach (var line in lines)
        {
            if (line.Event == DebugEvent.Request)
            {
                if (begin is not null)
                {
                    // Which call a message belongs to is open from here on.
                    Refuse($"calls of worker {worker} overlap, or the end of one is missing: with async the lines cannot be told apart");
                    return;
                }

                begin = line.Time;
            }
            else if (begin is null)
            {
                Refuse($"worker {worker} has messages without a call");
            }
            else if (!line.IsEnd)
            {
                chunks.Add(line);
            }
            else
            {
                AddCall(begin.Value, chunks, line);
                begin = null;
                chunks.Clear();
            }
        }

        if (begin is not null) Refuse($"the last call of worker {worker} has no end: lines are not messages + 1");
    }

    private void AddCall(DateTimeOffset begin, List<DebugLine> chunks, DebugLine end)
    {
        // A call cut by stream-call-count ends in Canceled, after what it was to measure.
        var isCut = end.Failure.Contains("Canceled", StringComparison.Ordinal);
        if ((end.Failure.Length > 0 && !isCut) || chunks.Count == 0)
        {
            var failure = end.Failure.Length > 0 ? end.Failure : "ended without a message";
            Failures[failure] = Failures.GetValueOrDefault(failure) + 1;
            return;
        }

        if (chunks[0].Sequence is not null && chunks.Where((chunk, index) => chunk.Sequence != index + 1).Any())
        {
            Refuse("messages are missing from the log: their sequence numbers have holes");
        }

        // With lines missing, a message tells the time to first token only if it says that it is the first.
        if (Refusal is not null && chunks[0].Sequence != 1) return;

        Calls++;
        _ttft.Add(chunks[0].Time - begin);
        for (var i = 1; i < chunks.Count; i++) _gaps.Add(chunks[i].Time - chunks[i - 1].Time);
        if (chunks.Exists(chunk => chunk.Sequence is null)) TokensAreCounted = false;

        // Text format leaves zeros out: a chunk with a number and no tokens is a finish by itself.
        var withTokens = chunks.FindAll(chunk => chunk.Sequence is null || chunk.Tokens > 0);
        var tokens = withTokens.Sum(chunk => chunk.Tokens ?? 1);
        if (tokens > 1 && withTokens.Count > 1) _tpot.Add((withTokens[^1].Time - withTokens[0].Time) / (tokens - 1));
    }

    private void Refuse(string why) => Refusal ??= why;
}
