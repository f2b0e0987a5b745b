using Grpc.Core;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Testing;

/// <summary>A transport that keeps a copy of each message and, if told so, leaves writes pending.</summary>
internal sealed class FakeChunkStream : IServerStreamWriter<TokenChunk>
{
    private readonly Lock _gate = new();
    private readonly List<TokenChunk> _messages = [];
    private readonly List<(int Count, TaskCompletionSource Reached)> _waiters = [];
    private TaskCompletionSource? _pending;

    /// <summary>Whether the next writes stay pending until <see cref="Release"/>.</summary>
    public bool Stalled { get; set; }

    /// <summary>Thrown by the next write.</summary>
    public Exception? Failure { get; set; }

    /// <summary>Called inside each write.</summary>
    public Action<TokenChunk>? OnWrite { get; set; }

    /// <summary>Whether each message may wait for the next (<see cref="WriteFlags.BufferHint"/>).</summary>
    public List<bool> Gathered { get; } = [];

    /// <summary>Messages handed over so far.</summary>
    public IReadOnlyList<TokenChunk> Messages
    {
        get
        {
            lock (_gate) return [.. _messages];
        }
    }

    public WriteOptions? WriteOptions { get; set; }

    public Task WriteAsync(TokenChunk message)
    {
        lock (_gate)
        {
            (_pending is null || _pending.Task.IsCompleted).ShouldBeTrue("writes must not overlap");
            if (Failure is not null) throw Failure;
            _messages.Add(message.Clone());
            Gathered.Add(WriteOptions is { Flags: WriteFlags.BufferHint });
        }

        OnWrite?.Invoke(message);
        List<TaskCompletionSource> reached;
        lock (_gate)
        {
            _pending = Stalled ? new TaskCompletionSource() : null;
            reached = [.. _waiters.Where(waiter => waiter.Count <= _messages.Count).Select(static waiter => waiter.Reached)];
            _waiters.RemoveAll(waiter => waiter.Count <= _messages.Count);
        }

        reached.ForEach(static waiter => waiter.TrySetResult());
        return _pending?.Task ?? Task.CompletedTask;
    }

    /// <summary>Completes when so many messages were handed over.</summary>
    public Task HasAsync(int count)
    {
        lock (_gate)
        {
            if (_messages.Count >= count) return Task.CompletedTask;
            var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiters.Add((count, reached));
            return reached.Task;
        }
    }

    /// <summary>Lets the pending write and all later ones complete; what waits for it goes on inside.</summary>
    public void Release()
    {
        Stalled = false;
        _pending?.TrySetResult();
    }

    /// <summary>Ends the pending write in failure.</summary>
    public void Break(Exception exception) => _pending!.TrySetException(exception);
}
