using System.Collections.Concurrent;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// What happened in one step of <see cref="StatusHistory"/>. Keyed by what is configured or fixed only, so its size is
/// bounded whatever callers send. Thread-safe.
/// </summary>
internal sealed class HistorySlot
{
    private static readonly int Reasons = (int)Enum.GetValues<ErrorReason>().Max() + 1;

    private readonly ConcurrentDictionary<(string Backend, string Key), long[]> _attempts = new();
    private readonly ConcurrentDictionary<string, long[]> _models = new(StringComparer.Ordinal);
    private readonly long[] _ends = new long[Reasons];
    private long _tokens;

    /// <summary>Times to the first token.</summary>
    public LogHistogram TimeToFirstToken { get; } = new();

    /// <summary>Times per output token of the calls that succeeded.</summary>
    public LogHistogram TimePerOutputToken { get; } = new();

    /// <summary>Output tokens sent.</summary>
    public long Tokens => Interlocked.Read(ref _tokens);

    /// <summary>Calls that ended so; <see cref="ErrorReason.Unspecified"/>: that succeeded.</summary>
    public long EndsBy(ErrorReason reason) => Interlocked.Read(ref _ends[(int)reason]);

    /// <summary>Calls of a model that ended, and those among them that failed.</summary>
    public (long Ended, long Failed) CallsOf(string model) =>
        _models.TryGetValue(model, out var counts) ? (Interlocked.Read(ref counts[0]), Interlocked.Read(ref counts[1])) : default;

    /// <summary>Attempts at a backend with a key that came to an outcome.</summary>
    public long Attempts(string backend, string keyLabel, AttemptOutcome outcome) =>
        _attempts.TryGetValue((backend, keyLabel), out var counts) ? Interlocked.Read(ref counts[(int)outcome]) : 0;

    public void AddTokens(uint tokens) => Interlocked.Add(ref _tokens, tokens);

    /// <summary>Counts a call that ended, with all its attempts.</summary>
    public void AddEnd(GenerationRecord record)
    {
        Interlocked.Increment(ref _ends[(int)record.ErrorReason]);
        var model = _models.GetOrAdd(record.ModelName, static _ => new long[2]);
        Interlocked.Increment(ref model[0]);
        if (record.ErrorReason != ErrorReason.Unspecified) Interlocked.Increment(ref model[1]);
        foreach (var attempt in record.Attempts)
        {
            var counts = _attempts.GetOrAdd((attempt.Backend, attempt.KeyLabel), static _ => new long[(int)AttemptOutcome.Cancelled + 1]);
            Interlocked.Increment(ref counts[(int)attempt.Outcome]);
        }
    }
}
