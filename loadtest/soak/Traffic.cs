using System.Collections.Concurrent;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Resilience;
using GrpcLlm.FunctionalTests.Testing;

namespace GrpcLlm.Soak;

/// <summary>Callers that make one call after another, each checked at its end. Those that meet a restart try again.</summary>
internal sealed class Traffic(SoakPlan plan, ServerUnderTest server, FaultyUpstream upstream, Texts texts, Tally tally) : IDisposable
{
    /// <summary>Longest time in which a client that tries again must get through a restart.</summary>
    private static readonly TimeSpan RestartPatience = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan RecordPatience = TimeSpan.FromSeconds(2);

    // Out of 100.
    private static readonly (Behaviour Behaviour, int Weight)[] Behaviours =
    [
        (Behaviour.Patient, 56), (Behaviour.Progress, 8), (Behaviour.CancelsWhileReading, 7), (Behaviour.CancelsAtAnyTime, 6),
        (Behaviour.HasDeadline, 5), (Behaviour.HasBudget, 5), (Behaviour.IsCancelledByName, 4), (Behaviour.ReadsSlowly, 4),
        (Behaviour.StopsReading, 2), (Behaviour.DropsConnection, 3),
    ];

    private static readonly (Behaviour Behaviour, int Weight)[] Retrying = [(Behaviour.Patient, 1)];

    private static readonly (string Key, string Value)[] OddMetadata =
    [
        ("traceparent", "00-xyz"), ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("tracestate", "a=b,,=,c"),
        ("grpc-previous-rpc-attempts", "99"), ("x-odd", "a,b;c=\"d"), ("request-id", "of-the-caller"), ("baggage", "k=v"),
    ];

    private readonly Connections _connections = new(server.Address);
    private readonly FaultyCallRules _rules = new(upstream, SoakSettings.KeyLabels, SoakSettings.MaxAttempts);
    private readonly ConcurrentQueue<FaultyCall> _late = new();
    private readonly Lock _checking = new();
    private int _numbers;

    /// <summary>Calls without a usage record of their name: the client left before the server had read it.</summary>
    public int Unrecorded { get; private set; }

    /// <summary>Rules that were checked.</summary>
    public long Checked => _rules.Checked;

    /// <summary>The rules that were broken, with the call.</summary>
    public IReadOnlyList<string> Broken => _rules.Broken;

    /// <summary>Calls until told to stop, and then ends those that run.</summary>
    public Task RunAsync(CancellationToken stop) => Task.WhenAll(Enumerable.Range(0, plan.Callers).Select(_ => CallAsync(stop)));

    /// <summary>Checks those whose records had not come: now all have that ever will.</summary>
    public void CheckLate()
    {
        while (_late.TryDequeue(out var call)) Check(call);
    }

    public void Dispose() => _connections.Dispose();

    private async Task CallAsync(CancellationToken stop)
    {
        // Or each would run its first calls on this one's thread.
        await Task.Yield();
        while (!stop.IsCancellationRequested)
        {
            var call = await CallAsync(Behaviours);
            if (!IsTurnedAway(call)) continue;
            var since = TimeProvider.System.GetTimestamp();
            while (IsTurnedAway(call) && TimeProvider.System.GetElapsedTime(since) < RestartPatience)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, CancellationToken.None);
                call = await CallAsync(Retrying);
            }

            tally.Retried(gotThrough: !IsTurnedAway(call));
        }
    }

    private async Task<FaultyCall> CallAsync(IReadOnlyList<(Behaviour Behaviour, int Weight)> behaviours)
    {
        var number = Interlocked.Increment(ref _numbers);
        var call = FaultyCall.Draw(plan.Seed, number, behaviours);
        call.ClientStallTimeout = SoakSettings.ClientStallTimeout;
        var random = new Random(unchecked((plan.Seed * 92_821) + number));
        if (call.Behaviour is Behaviour.ReadsSlowly or Behaviour.StopsReading || random.Next(8) == 0) Texts.ToSimulator(call, random);
        else if (random.Next(10) == 0) Texts.ToEmbedded(call, random);
        if (random.Next(4) == 0)
        {
            var (key, value) = OddMetadata[random.Next(OddMetadata.Length)];
            call.Metadata.Add(key, value);
            call.Metadata.Add("odd-bin", [0, 255, 10]);
        }

        var start = TimeProvider.System.GetTimestamp();
        await RunAsync(call);
        call.MetRestart = server.WasStopped(start, TimeProvider.System.GetTimestamp());
        if (await server.Records.AwaitAsync(call.RequestId, RecordPatience)) Check(call);
        else _late.Enqueue(call);
        return call;
    }

    private async Task RunAsync(FaultyCall call)
    {
        if (call.Behaviour != Behaviour.DropsConnection)
        {
            await call.RunAsync(_connections.Of(call.Number), CancellationToken.None);
            return;
        }

        var (client, channel, drop) = _connections.OpenOwn();
        using (channel) await call.RunAsync(client, CancellationToken.None, drop);
    }

    /// <summary>Whether a call found the server stopping, stopped or not yet started.</summary>
    private static bool IsTurnedAway(FaultyCall call) => call.MetRestart && call.Tokens == 0
        && (call.Status.StatusCode is StatusCode.Unavailable or StatusCode.Internal);

    private void Check(FaultyCall call)
    {
        var records = server.Records.Take(call.RequestId);
        lock (_checking)
        {
            if (records.Count == 0) Unrecorded++;
            if (texts.Of(call) is { } text) _rules.Check(call, records, text);
            else _rules.Check(call, records);
            tally.Ended(call, upstream.AnswersTo(call.Number));
        }

        upstream.Forget(call.Number);
    }
}
