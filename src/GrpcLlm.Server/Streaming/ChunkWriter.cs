using Grpc.Core;
using GrpcLlm.Server.Grpc;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Streaming;

/// <summary>
/// The one writer of a call: numbers and stamps each message, sets the headers just before the first, keeps at most one
/// write in flight, and measures how long the client leaves output lying. A write that stays pending for longer than
/// allowed resets this stream alone, never its connection. Not thread-safe; one call, one caller.
/// </summary>
internal sealed class ChunkWriter : IDisposable
{
    /// <summary>Bytes of messages that may wait for others before they are handed on together.</summary>
    private const int MaxUnflushedBytes = 4096;

    private static readonly WriteOptions HandOn = new();
    private static readonly WriteOptions Gather = new(WriteFlags.BufferHint);

    private readonly IServerStreamWriter<TokenChunk> _stream;
    private readonly HttpResponse _response;
    private readonly StreamReset _reset;
    private readonly GenerationRecord _record;
    private readonly CallStates _states;
    private readonly TimeSpan _stallTimeout;
    private Task _write = Task.CompletedTask;
    private TokenChunk? _inFlight;
    private int _unflushedBytes;
    private long _stalledSince;
    private ITimer? _stallTimer;
    private bool _started;

    /// <param name="stream">The transport.</param>
    /// <param name="response">Where headers go.</param>
    /// <param name="reset">Ends this stream when its client stalls.</param>
    /// <param name="record">What is noted of the call.</param>
    /// <param name="states">State of the call for the gauges.</param>
    /// <param name="stallTimeout">Longest time for one pending write; zero: no limit.</param>
    public ChunkWriter(
        IServerStreamWriter<TokenChunk> stream, HttpResponse response, StreamReset reset, GenerationRecord record,
        CallStates states, TimeSpan stallTimeout)
    {
        _stream = stream;
        _response = response;
        _reset = reset;
        _record = record;
        _states = states;
        _stallTimeout = stallTimeout;
    }

    /// <summary>Whether a write is in flight that must be settled before the next.</summary>
    public bool IsBusy { get; private set; }

    /// <summary>Completes when the write in flight does.</summary>
    public Task InFlight => _write;

    /// <summary>
    /// Hands a message to the transport. Where the client's window has room it is done at once and the chunk can be
    /// used again; else the writer is busy until <see cref="SettleAsync"/>.
    /// </summary>
    /// <param name="chunk">The message; untouched by others until it is done.</param>
    /// <param name="isLast">Whether to put the finish on it.</param>
    /// <param name="gathers">
    /// Whether it may wait for the next message, which is at hand perhaps. Where it is not, <see cref="Flush"/> must follow
    /// before anything is awaited.
    /// </param>
    /// <returns>The chunk, if it is done.</returns>
    /// <exception cref="CallFailureException">The client has gone, or was sent away for not reading.</exception>
    public TokenChunk? Start(TokenChunk chunk, bool isLast = false, bool gathers = false)
    {
        chunk.Sequence = _record.LastSequence + 1;
        chunk.ElapsedUs = (ulong)_record.Clock.ElapsedMicroseconds;
        if (!_started && chunk.Progress is null)
        {
            _started = true;
            _states.Move(StreamState.Streaming);
            chunk.Started = BuildStarted();
        }

        if (chunk.Sequence == 1 && !_response.HasStarted) _response.Headers[CallTrailers.RequestId] = _record.RequestId;
        _record.MessageSent(chunk);
        if (isLast) chunk.Finish = _record.BuildFinish();
        var size = chunk.CalculateSize();
        _record.ResponseBytes += size;
        _unflushedBytes = gathers && _unflushedBytes + size < MaxUnflushedBytes ? _unflushedBytes + size : 0;

        // No token: one handed to a write cancels the whole request. The transport ends writes when the client goes.
        try
        {
            _stream.WriteOptions = _unflushedBytes > 0 ? Gather : HandOn;
            _write = _stream.WriteAsync(chunk);
        }
        catch (Exception exception) when (IsClientGone(exception))
        {
            throw ClientGone(exception);
        }

        if (_write.IsCompletedSuccessfully) return chunk;

        _inFlight = chunk;
        BeginStall();
        return null;
    }

    /// <summary>Hands on what was gathered. Where the client's window has no room, the writer is busy then.</summary>
    /// <exception cref="CallFailureException">The client has gone.</exception>
    public void Flush()
    {
        if (_unflushedBytes == 0) return;
        _unflushedBytes = 0;
        try
        {
            var flush = _response.BodyWriter.FlushAsync(CancellationToken.None);
            if (flush.IsCompletedSuccessfully) return;
            _write = flush.AsTask();
        }
        catch (Exception exception) when (IsClientGone(exception))
        {
            throw ClientGone(exception);
        }

        BeginStall();
    }

    /// <summary>Waits for the write in flight.</summary>
    /// <returns>Its chunk, to be used again; null if what was gathered is all that was in flight.</returns>
    /// <exception cref="CallFailureException">The client has gone, or was sent away for not reading.</exception>
    public async ValueTask<TokenChunk?> SettleAsync()
    {
        var chunk = _inFlight;
        try
        {
            await _write;
        }
        catch (Exception exception) when (IsClientGone(exception))
        {
            throw ClientGone(exception);
        }
        finally
        {
            ArmStallTimer(TimeSpan.Zero);
            _inFlight = null;
            IsBusy = false;
            _write = Task.CompletedTask;
            _record.ClientStallMicroseconds += _record.Clock.ElapsedMicroseconds - _stalledSince;
            _states.SetStalled(false);
        }

        return chunk;
    }

    public void Dispose() => _stallTimer?.Dispose();

    private void BeginStall()
    {
        IsBusy = true;
        _stalledSince = _record.Clock.ElapsedMicroseconds;
        _states.SetStalled(true);
        ArmStallTimer(_stallTimeout);
    }

    private void ArmStallTimer(TimeSpan due)
    {
        if (_stallTimeout <= TimeSpan.Zero) return;
        var time = due > TimeSpan.Zero ? due : Timeout.InfiniteTimeSpan;
        if (_stallTimer is not null)
        {
            _stallTimer.Change(time, Timeout.InfiniteTimeSpan);
            return;
        }

        _stallTimer = _record.Clock.TimeProvider.CreateTimer(
            static state => ((StreamReset)state!).ForStalledClient(), _reset, time, Timeout.InfiniteTimeSpan);
    }

    // A write to a client that has left fails in any of these ways, depending on how far the transport has noticed.
    private static bool IsClientGone(Exception exception) =>
        exception is OperationCanceledException or InvalidOperationException or IOException;

    private CallFailureException ClientGone(Exception exception) => _reset.ClientStalled
        ? new CallFailureException(ErrorReason.ClientStalled, "The client did not read.", exception)
        : new CallFailureException(ErrorReason.ClientCancelled, "The client has gone.", exception);

    private Started BuildStarted()
    {
        var started = new Started
        {
            RequestId = _record.RequestId,
            Model = _record.Model,
            Backend = _record.Backend,
            BackendModel = _record.Opening.Model,
        };
        if (_record.Opening.InputTokens is { } input) started.InputTokens = input;
        if (_record.Opening.Seed is { } seed) started.Seed = seed;
        return started;
    }
}
