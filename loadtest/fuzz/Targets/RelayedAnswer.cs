using Grpc.Core;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;
using Microsoft.AspNetCore.Http;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>Relays events as the service does, to a client that reads at once or now and then, and checks what it gets.</summary>
internal static class RelayedAnswer
{
    private static readonly ServerMetrics Metrics = new(new FakeMeterFactory());

    /// <summary>Relays an answer.</summary>
    /// <param name="events">Its events.</param>
    /// <param name="failure">What ended them; null: they ended by themselves.</param>
    /// <param name="stalls">Says which writes stay pending for a while; null: none.</param>
    /// <returns>The text that came.</returns>
    public static string Check(IReadOnlyList<BackendEvent> events, BackendException? failure, Random? stalls)
    {
        // What is opened begins with the first delta or the end; what came earlier than it is not relayed.
        var first = events.Index().FirstOrDefault(static one => one.Item.IsDelta || one.Item.Kind == BackendEventKind.Finished, (-1, default)).Index;
        if (first < 0) return "";
        var transport = new Transport(stalls);
        var record = new GenerationRecord(new CallClock(TimeProvider.System), "fuzz") { Model = "m", Backend = "b" };
        var failed = Relay(events, first, failure, transport, record);

        FindingException.Unless(failed is null == failure is null, $"the relay ends with {failed?.Message ?? "a finish"}");
        FindingException.Unless(
            failed is null || !record.Delivered || ErrorTable.StatusOf(failed.Reason, delivered: true) != StatusCode.Unavailable,
            $"{failed?.Reason} is UNAVAILABLE after a token");
        ChunkRules.Check(transport.Chunks, events, first, isComplete: failure is null);
        return string.Concat(transport.Chunks.Select(static chunk => chunk.Text));
    }

    private static CallFailureException? Relay(
        IReadOnlyList<BackendEvent> events, int first, BackendException? failure, Transport transport, GenerationRecord record)
    {
        var http = new DefaultHttpContext();
        using var lifetime = new CallLifetime(budget: null, TimeProvider.System, CancellationToken.None);
        using var reset = new StreamReset(http, lifetime);
        var states = new CallStates(Metrics);
        states.Accept();
        using var writer = new ChunkWriter(transport, http.Response, reset, record, states, TimeSpan.Zero);
        var relay = new TokenRelay(new GenerateRequest { Prompt = "p" }, writer, record, lifetime);
        List<BackendEvent> atHand = [.. events.Take(first).Where(static one => one.Kind == BackendEventKind.Signature), events[first]];
        var running = relay.RunAsync(new OpenedAnswer(atHand, record.Clock.ElapsedMicroseconds, new Rest(events, first + 1, failure)));
        while (!running.IsCompleted)
        {
            FindingException.Unless(transport.Release(), "the relay waits although everything is at hand");
        }

        try
        {
            return running.GetAwaiter().GetResult();
        }
        catch (CallFailureException exception)
        {
            return exception;
        }
    }

    private sealed class Rest(IReadOnlyList<BackendEvent> events, int first, BackendException? failure) : IAsyncEnumerator<BackendEvent>
    {
        private int _next = first;

        public BackendEvent Current { get; private set; }

        public ValueTask<bool> MoveNextAsync()
        {
            if (_next == events.Count) return failure is null ? new(false) : ValueTask.FromException<bool>(failure);
            Current = events[_next++];
            return new(true);
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class Transport(Random? stalls) : IServerStreamWriter<TokenChunk>
    {
        private TaskCompletionSource? _pending;

        public List<TokenChunk> Chunks { get; } = [];

        public WriteOptions? WriteOptions { get; set; }

        public Task WriteAsync(TokenChunk message)
        {
            FindingException.Unless(_pending is null, "writes overlap");
            Chunks.Add(message.Clone());
            if (stalls is null || stalls.Next(3) > 0) return Task.CompletedTask;
            _pending = new TaskCompletionSource();
            return _pending.Task;
        }

        /// <summary>Ends the write that is pending; false if there is none.</summary>
        public bool Release()
        {
            if (_pending is not { } pending) return false;
            _pending = null;
            pending.SetResult();
            return true;
        }
    }
}
