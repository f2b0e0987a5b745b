using System.Collections.Concurrent;
using System.Text.Json;

namespace GrpcLlm.Soak;

/// <summary>The usage records that a server writes, by the name of their call. Thread-safe.</summary>
internal sealed class UsageRecords
{
    private readonly ConcurrentDictionary<string, Slot> _slots = new(StringComparer.Ordinal);
    private long _count;

    /// <summary>Records so far.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>Names of calls whose records nobody took.</summary>
    public IReadOnlyCollection<string> Untaken => [.. _slots.Where(static one => one.Value.Records.Count > 0).Select(static one => one.Key)];

    /// <summary>Notes a line that a server wrote, if it holds a record.</summary>
    public void Note(string line)
    {
        var at = line.IndexOf("""{"accepted_at":""", StringComparison.Ordinal);
        if (at < 0) return;
        using var document = JsonDocument.Parse(line.AsMemory(at));
        var record = document.RootElement.Clone();
        var slot = _slots.GetOrAdd(record.GetProperty("request_id").GetString()!, static _ => new Slot());
        lock (slot.Records) slot.Records.Add(record);
        Interlocked.Increment(ref _count);
        slot.Any.TrySetResult();
    }

    /// <summary>Waits for the first record of a call, for a while.</summary>
    public async Task<bool> AwaitAsync(string requestId, TimeSpan longest)
    {
        var any = _slots.GetOrAdd(requestId, static _ => new Slot()).Any.Task;
        return await Task.WhenAny(any, Task.Delay(longest, TimeProvider.System)) == any;
    }

    /// <summary>Takes the records of a call.</summary>
    public IReadOnlyList<JsonElement> Take(string requestId)
    {
        if (!_slots.TryRemove(requestId, out var slot)) return [];
        lock (slot.Records) return [.. slot.Records];
    }

    private sealed class Slot
    {
        public TaskCompletionSource Any { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public List<JsonElement> Records { get; } = [];
    }
}
