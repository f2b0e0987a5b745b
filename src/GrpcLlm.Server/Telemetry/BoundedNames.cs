using System.Collections.Concurrent;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// Keeps attributes whose values others choose to a bounded number: the first names are told as they are, any further one
/// as <see cref="TelemetryNames.Other"/>. Thread-safe.
/// </summary>
/// <param name="limit">Most names.</param>
internal sealed class BoundedNames(int limit)
{
    private readonly ConcurrentDictionary<string, string> _names = new(StringComparer.Ordinal);
    private int _count;

    /// <summary>The name, or what stands for it.</summary>
    public string Of(string name)
    {
        if (_names.TryGetValue(name, out var known)) return known;

        // Counted beside the dictionary, whose own count takes all its locks. Two that come at once with one new name
        // use up two places, which is as good a bound.
        if (Volatile.Read(ref _count) >= limit || Interlocked.Increment(ref _count) > limit) return TelemetryNames.Other;
        return _names.GetOrAdd(name, name);
    }
}
