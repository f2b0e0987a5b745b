using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Streaming;

/// <summary>
/// Relays a backend's events to the client, pull-based: an event is written before the next one is awaited. While a
/// write is pending, reading goes on into one waiting chunk, then stops; so memory is bounded and the backend pauses.
/// <code>
///   backend ── events ──► assembler ──► queue (merges) ──► writer ── one write in flight ──► transport
/// </code>
/// One instance per call; not thread-safe.
/// </summary>
internal sealed class TokenRelay
{
    private readonly ChunkQueue _queue = new();
    private readonly DeltaAssembler _assembler;
    private readonly ChunkWriter _writer;
    private readonly GenerationRecord _record;
    private readonly CallLifetime _lifetime;
    private readonly CoalescingDelay _delay;

    private OpenedAnswer? _answer;
    private TokenMeter? _meter;
    private ValueTask<bool> _read;
    private bool _reading;
    private bool _wasAtHand;
    private bool _ended;
    private CallFailureException? _failure;

    /// <param name="request">What was asked for: stop sequences and coalescing.</param>
    /// <param name="writer">The call's writer.</param>
    /// <param name="record">What is noted of the call.</param>
    /// <param name="lifetime">Why it may have to stop.</param>
    public TokenRelay(GenerateRequest request, ChunkWriter writer, GenerationRecord record, CallLifetime lifetime)
    {
        _writer = writer;
        _record = record;
        _lifetime = lifetime;
        var stops = request.Limits?.StopSequences;
        _assembler = new DeltaAssembler(
            _queue, record, stops is { Count: > 0 } ? new StopSequenceMatcher(stops) : null);
        _delay = request.Output?.Coalescing is { } coalescing
            ? new CoalescingDelay(coalescing, record.Clock.TimeProvider)
            : CoalescingDelay.None;
    }

    /// <summary>Relays an answer to its end; the record then holds the finish reason.</summary>
    /// <param name="answer">The answer.</param>
    /// <param name="meter">Counts its tokens against the tenant's; null: they are not limited.</param>
    /// <returns>Why it failed, what had arrived being delivered; null: it finished.</returns>
    /// <exception cref="CallFailureException">A message could not be written: most often the client has gone.</exception>
    public Task<CallFailureException?> RunAsync(OpenedAnswer answer, TokenMeter? meter = null)
    {
        _meter = meter;
        _answer = answer;
        return PumpAsync();
    }

    /// <summary>Ends a call that was told to stop before its first token.</summary>
    /// <returns>Its failure, where there is no finish for that cause; null: it finished.</returns>
    /// <exception cref="CallFailureException">A message could not be written: most often the client has gone.</exception>
    public async Task<CallFailureException?> StopBeforeFirstTokenAsync()
    {
        await StopAsync();
        return await PumpAsync();
    }

    // By itself, so that the pieces are not kept for as long as the answer lasts.
    private async ValueTask HandleAtHandAsync(OpenedAnswer answer)
    {
        foreach (var piece in answer.TakeAtHand()) await HandleAsync(piece, answer.Arrival);
    }

    // One frame for all: it lasts as long as the stream.
    private async Task<CallFailureException?> PumpAsync()
    {
        try
        {
            if (_answer is not null) await HandleAtHandAsync(_answer);
            while (true)
            {
                while (!_writer.IsBusy && IsDue) Write();
                if (!_ended && !_reading && _queue.HasRoom) StartReading();

                // Events that came together are handed on together; what has to be waited for holds nothing back.
                if (!_writer.IsBusy && !(_reading && _read.IsCompleted)) _writer.Flush();
                if (_ended && !_writer.IsBusy) return _failure;

                // The common case first: the client keeps up, and the next event is all there is to wait for. It is awaited here,
                // not by a method of its own, so that nothing is allocated for a token.
                if (_reading && (_read.IsCompleted || (_queue.IsEmpty && !_writer.IsBusy)))
                {
                    // A read is consumed once, whatever comes of it.
                    var read = _read;
                    _reading = false;
                    _wasAtHand = read.IsCompletedSuccessfully;
                    Exception? broken = null;
                    var any = false;
                    var since = _wasAtHand ? 0 : _record.Clock.ElapsedMicroseconds;
                    try
                    {
                        any = await read;
                    }
                    catch (Exception exception) when (IsEnd(exception))
                    {
                        broken = exception;
                    }

                    var arrival = _record.Clock.ElapsedMicroseconds;
                    if (!_wasAtHand) _record.WaitingMicroseconds += arrival - since;
                    await (broken is null ? HandleReadAsync(any, arrival) : HandleEndAsync(broken));
                }
                else if (_writer.IsBusy && _writer.InFlight.IsCompleted) await SettleAsync();
                else if (!_ended && !_reading && _lifetime.Cause != StopCause.None) await StopAsync();
                else await WaitForAnythingAsync();
            }
        }
        finally
        {
            await StopReadingAsync();
        }
    }

    private bool IsDue => !_queue.IsEmpty
        && (_ended || !_record.Delivered || !_queue.HasRoom || _delay.IsOver(_queue.WaitingTokens));

    private void Write()
    {
        var chunk = _queue.Dequeue();
        _delay.Restart();
        var isLast = _ended && _failure is null && _queue.IsEmpty;

        // The first token waits for nobody, nor does one that had to be waited for: most often the next is not there either.
        var gathers = !_ended && _wasAtHand && _record.Delivered;
        if (_writer.Start(chunk, isLast, gathers) is { } done) ChunkQueue.Recycle(done);
    }

    private async ValueTask SettleAsync()
    {
        if (await _writer.SettleAsync() is { } done) ChunkQueue.Recycle(done);
    }

    private void StartReading()
    {
        _reading = true;
        try
        {
            _read = _answer!.Rest.MoveNextAsync();
        }
        catch (Exception exception)
        {
            _read = ValueTask.FromException<bool>(exception);
        }
    }

    /// <summary>Whether a read failed in a way that ends the answer; anything else is a defect, and ends the call.</summary>
    private bool IsEnd(Exception exception) =>
        exception is BackendException || (exception is OperationCanceledException && _lifetime.Cause != StopCause.None);

    private ValueTask HandleEndAsync(Exception exception) =>
        exception is BackendException failure ? FailAsync(failure) : StopAsync();

    private ValueTask HandleReadAsync(bool any, long arrival)
    {
        if (any) return HandleAsync(_answer!.Rest.Current, arrival);

        // Told to stop, a backend may just end.
        return _lifetime.Cause != StopCause.None
            ? StopAsync()
            : FailAsync(new BackendException(BackendFailure.Truncated, "The backend's answer ended without an end."));
    }

    private ValueTask HandleAsync(in BackendEvent piece, long arrival)
    {
        switch (piece.Kind)
        {
            case BackendEventKind.Alive or BackendEventKind.Queued:
                return default;
            case BackendEventKind.Opened:
                _record.Opening = piece.Opening!;
                return default;
            case BackendEventKind.Usage:
                _record.ReportedUsage = piece.Usage;
                return default;
            case BackendEventKind.Finished:
                _record.Finish(piece.Ending!);
                Close();
                return default;
            default:
                if (_meter is { } meter && piece.TokenCount > 0 && !meter.Take(piece.TokenCount))
                {
                    // Another stream of the tenant took the last ones: these were used, and are not delivered.
                    _record.TokensArrived(piece.TokenCount, arrival, piece.Kind == BackendEventKind.Reasoning);
                    return CutAsync(FinishReason.Quota);
                }

                if (_assembler.Accept(piece, arrival) is { } found) return CutAsync(FinishReason.StopSequence, found);
                return _meter is { IsSpent: true } ? CutAsync(FinishReason.Quota) : default;
        }
    }

    /// <summary>Ends an answer that would go on: the model is stopped before anything else is done.</summary>
    private async ValueTask CutAsync(FinishReason reason, string stopSequence = "")
    {
        await StopReadingAsync();
        _record.Finish(reason, stopSequence);
        Close();
    }

    /// <summary>Something told the call to stop: what was received stands, and the cause says how it ends.</summary>
    private async ValueTask StopAsync()
    {
        await StopReadingAsync();
        switch (_lifetime.Cause)
        {
            case StopCause.Cancelled:
                _record.Finish(FinishReason.Cancelled);
                Close();
                break;
            case StopCause.TimeBudget when _record.Delivered:
                _record.Finish(FinishReason.TimeBudget);
                Close();
                break;
            case StopCause.TimeBudget:
                Fail(new CallFailureException(ErrorReason.Deadline, "The time ran out before the first token."));
                break;
            case StopCause.ClientStalled:
                Fail(new CallFailureException(ErrorReason.ClientStalled, "The client did not read."));
                break;
            case StopCause.Draining:
                Fail(new CallFailureException(ErrorReason.Draining, "The server is shutting down."));
                break;
            default:
                Fail(new CallFailureException(ErrorReason.ClientCancelled, "The client has gone."));
                break;
        }
    }

    private void Close()
    {
        _ended = true;
        if (_assembler.Close() is { } found) _record.Finish(FinishReason.StopSequence, found);
    }

    private async ValueTask FailAsync(BackendException exception)
    {
        await _answer!.NoteFailureAsync(exception);
        Fail(CallFailureException.Of(exception, _record.Delivered));
    }

    private void Fail(CallFailureException failure)
    {
        _ended = true;
        _failure = failure;
        if (_record.Delivered) _assembler.FlushText();
    }

    /// <summary>Waits for the next event, the write in flight, the end of a coalescing delay or a reason to stop.</summary>
    private async Task WaitForAnythingAsync()
    {
        var since = _record.Clock.ElapsedMicroseconds;
        var output = _writer.IsBusy ? _writer.InFlight : _delay.Task;
        if (_reading)
        {
            // A ValueTask may be consumed once, so from here on this read is the task. It ends when the call is stopped.
            var read = _read.AsTask();
            _read = new ValueTask<bool>(read);
            await Task.WhenAny(read, output);
        }
        else if (_ended)
        {
            await Task.WhenAny(output);
        }
        else
        {
            await Task.WhenAny(output, _lifetime.Stopped);
        }

        _record.WaitingMicroseconds += _record.Clock.ElapsedMicroseconds - since;
    }

    private async ValueTask StopReadingAsync()
    {
        if (_answer is not { } answer) return;
        _answer = null;
        if (_reading)
        {
            // Only when the call broke off while a read was pending. An enumerator must not be disposed meanwhile.
            _lifetime.Stop(StopCause.Abandoned);
            await Task.WhenAny(_read.AsTask());
            _reading = false;
        }

        await answer.DisposeAsync();
        if (!_ended && _lifetime.Cause != StopCause.None) _record.UpstreamStopped(_lifetime.SinceStop);
    }
}
