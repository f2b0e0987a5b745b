using System.Collections.Concurrent;
using System.Threading.Channels;
using Grpc.Core;
using GrpcLlm.Cli.Bench.Measurement;
using GrpcLlm.Client;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Bench.Load;

/// <summary>
/// Makes the calls of a run, one trace each, and passes the traces on when they end. Calls share nothing but counters.
/// Thread-safe.
/// </summary>
internal sealed class CallRunner(
    LoadPlan plan, Target target, CallSource calls, RunControl control, RunClock clock, LiveCounters live, TimeProvider time)
{
    private readonly Channel<StreamTrace> _ended =
        Channel.CreateUnbounded<StreamTrace>(new UnboundedChannelOptions { SingleReader = true });

    private readonly ConcurrentBag<StreamTrace> _free = [];
    private long _measuredFrom = plan.SkipFirst > 0 ? long.MaxValue : RunClock.Of(plan.Warmup);
    private long _next;

    /// <summary>Traces of calls that have ended, in that order.</summary>
    public ChannelReader<StreamTrace> Ended => _ended.Reader;

    /// <summary>End of the warm-up in nanoseconds; the largest number while it is not known.</summary>
    public long MeasuredFrom => Volatile.Read(ref _measuredFrom);

    /// <summary>Takes the number of the next call. Null, and the run stops: the total is reached.</summary>
    public long? TakeNumber()
    {
        var number = Interlocked.Increment(ref _next) - 1;
        if (plan.Total is not { } total || number < total) return number;
        control.Stop(Results.RunEnd.Total);
        return null;
    }

    /// <summary>No further call is made: <see cref="Ended"/> ends after what it holds.</summary>
    public void Complete() => _ended.Writer.Complete();

    /// <summary>Gives back a trace that nobody reads any more.</summary>
    public void Return(StreamTrace trace) => _free.Add(trace);

    /// <summary>Makes a call and waits for its end. What goes wrong is in the trace.</summary>
    /// <param name="number">Its number.</param>
    /// <param name="planned">When it was to start, in nanoseconds; null: when it does.</param>
    /// <param name="workerId">Who makes it: letters and digits.</param>
    /// <returns>Whether the target was there.</returns>
    public async Task<bool> RunAsync(long number, long? planned, string workerId)
    {
        var call = calls.Of(number, workerId);
        var headers = target.HeadersOf(call.Headers);
        if (!_free.TryTake(out var trace)) trace = new StreamTrace(plan.TimelineStep);

        var open = live.Start();
        var sent = clock.Now();
        trace.Start(number, planned ?? sent, sent, IsWarmup(number, planned ?? sent), open);
        var progress = new StreamProgress(call.Request.RequestId);
        try
        {
            await ReadAsync(target.StubOf(number), call.Request, headers, trace, progress);
        }
        catch (RpcException exception)
        {
            // A cancel of ours can hide what the server said; where it said something, that stands.
            var failure = Failures.Translate(exception, progress, control.CountsCancelled ? CancellationToken.None : control.Ending);
            if (failure is GenerationException known) trace.Failed(known, clock.Now());
            else trace.LeftUnfinished(clock.Now());
        }
        catch (GenerationException failure)
        {
            trace.Failed(failure, clock.Now());
        }

        live.End(trace.End == StreamEnd.Failed, trace.Failure is null ? trace.Tpot : null);
        var found = WasFound(trace);
        _ended.Writer.TryWrite(trace);
        return found;
    }

    private async Task ReadAsync(
        GenerationService.GenerationServiceClient stub, GenerateRequest request, Metadata? headers, StreamTrace trace, StreamProgress progress)
    {
        var deadline = plan.Timeout is { } timeout ? time.GetUtcNow().UtcDateTime + timeout : (DateTime?)null;
        using var call = stub.Generate(request, headers, deadline, control.Ending);
        var stream = call.ResponseStream;
        while (await stream.MoveNext(CancellationToken.None))
        {
            var now = clock.Now();
            var chunk = stream.Current;
            progress.Observe(chunk);
            trace.Observe(chunk, now, now >= MeasuredFrom);
            live.Arrived(chunk.TokenCount);
            if (trace.Chunks == 1) control.Answered();
            if (trace.Ttft is { } ttft && trace.Tokens == chunk.TokenCount) live.FirstToken(ttft);
            if (trace.Chunks != plan.StreamCallCount) continue;
            trace.Cut(now);
            return;
        }

        var end = clock.Now();
        trace.Finished(progress.Finish ?? throw Failures.Truncated(progress), end);
    }

    private bool IsWarmup(long number, long planned)
    {
        if (number == plan.SkipFirst && plan.SkipFirst > 0)
            Volatile.Write(ref _measuredFrom, Math.Max(planned, RunClock.Of(plan.Warmup)));
        return number < plan.SkipFirst || planned < RunClock.Of(plan.Warmup);
    }

    private bool WasFound(StreamTrace trace)
    {
        if (trace.Failure is not { Kind: GenerationFailureKind.Transport } failure || trace.Chunks > 0) return true;
        control.FoundNobody(trace.Ended, failure.Message);
        return false;
    }
}
