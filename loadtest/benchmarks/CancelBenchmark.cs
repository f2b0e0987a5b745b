using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using GrpcLlm.Server.Hosting;
using GrpcLlm.V1;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// Time from a client's cancel to the close of the upstream's socket, with many streams open: while they wait for the first
/// token, while they stream, and while the upstream is silent. A call that is queued has no socket: there the time to its
/// usage record counts, as the server writes it.
/// </summary>
internal static partial class CancelBenchmark
{
    private static readonly (string Model, string Name)[] Phases =
        [("wait", "waiting for the first token"), ("flow", "streaming"), ("silent", "upstream silent")];

    private static readonly TimeSpan UnwindingTime = TimeSpan.FromMilliseconds(500);

    public static async Task RunAsync(Report report)
    {
        var streams = report.Pick(1000, 100);
        using var upstream = new SseUpstream();
        string[] settings =
        [
            "GrpcLlm:Backends:up:Kind=openai", $"GrpcLlm:Backends:up:BaseUrl=http://127.0.0.1:{upstream.Port}",
            "GrpcLlm:Backends:up:IdleTimeout=00:05:00", "GrpcLlm:Backends:up:FirstTokenTimeout=00:05:00", "GrpcLlm:Resilience:TotalTimeout=00:05:00",
            .. Phases.Select(static phase => $"GrpcLlm:Models:{phase.Model}:Routes:0:Backend=up"),
        ];
        await using var server = await ServerProcess.StartAsync(settings);
        report.Section("Cancelling", $"""
            Milliseconds from the client's cancel to the closed upstream socket, with {streams} streams open on one connection.
            One by one: each is cancelled once the one before is closed. All at once: the last of the burst waits for all others,
            so its time is that of {streams} cancels on these cores, client and upstream included.
            """);
        for (var warmUp = report.Pick(3, 1); warmUp > 0; warmUp--)
        {
            foreach (var (model, _) in Phases) await OneByOneAsync(upstream, server, model, report.Pick(500, 20));
        }

        var rows = new List<string[]>();
        var worst = 0.0;
        foreach (var (model, name) in Phases)
        {
            var times = await OneByOneAsync(upstream, server, model, streams);
            worst = Math.Max(worst, Statistics.Percentile(times, 0.99));
            rows.Add(Row(name + ", one by one", times));
        }

        rows.Add(Row("queued, one by one, to the usage record", await QueuedAsync(upstream, settings, streams)));
        foreach (var (model, name) in Phases)
        {
            var before = server.ProcessorTime;
            var times = await AllAtOnceAsync(upstream, server, model, streams, () => before = server.ProcessorTime);
            rows.Add(Row($"{name}, all at once (server CPU {Report.Number((server.ProcessorTime - before).TotalMicroseconds / streams, 0)} µs a cancel)", times));
        }

        report.Table(["phase", "p50", "p99", "max"], rows);
        report.Goal(
            $"cancel to closed upstream socket, {streams} open, worst phase, p99", "under 10 ms", $"{Report.Number(worst, 2)} ms", worst < 10);
    }

    private static string[] Row(string name, List<double> times) =>
        [name, Report.Number(Statistics.Median(times), 2), Report.Number(Statistics.Percentile(times, 0.99), 2), Report.Number(times.Max(), 2)];

    private static async Task<List<double>> OneByOneAsync(SseUpstream upstream, ServerProcess server, string model, int streams)
    {
        using var caller = new GrpcCaller("grpcllm", server.Address, model);
        var calls = await OpenAsync(upstream, caller, model, streams);
        var times = new List<double>();
        foreach (var call in calls)
        {
            var closed = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
            upstream.Closed = (_, at) => closed.TrySetResult(at);
            var start = TimeProvider.System.GetTimestamp();
            call.Dispose();
            times.Add(TimeProvider.System.GetElapsedTime(start, await closed.Task).TotalMilliseconds);
        }

        return times;
    }

    private static async Task<List<double>> AllAtOnceAsync(
        SseUpstream upstream, ServerProcess server, string model, int streams, Action ready)
    {
        using var caller = new GrpcCaller("grpcllm", server.Address, model);
        var calls = await OpenAsync(upstream, caller, model, streams);
        var starts = new long[streams];
        var closed = new long[streams];
        var open = streams;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        upstream.Closed = (number, at) =>
        {
            closed[number] = at;
            if (Interlocked.Decrement(ref open) == 0) all.TrySetResult();
        };
        ready();
        for (var n = 0; n < streams; n++)
        {
            starts[n] = TimeProvider.System.GetTimestamp();
            calls[n].Dispose();
        }

        await all.Task;

        // What the server does behind the closed sockets is part of what a cancel costs.
        await Task.Delay(UnwindingTime, TimeProvider.System);
        return [.. starts.Select((start, n) => TimeProvider.System.GetElapsedTime(start, closed[n]).TotalMilliseconds)];
    }

    private static async Task<List<double>> QueuedAsync(SseUpstream upstream, string[] settings, int streams)
    {
        var ended = new ConcurrentDictionary<string, TaskCompletionSource<long>>(StringComparer.Ordinal);
        await using var server = await ServerProcess.StartAsync(environment: null, Note, [
            .. settings, "GrpcLlm:Admission:MaxConcurrent=1", $"GrpcLlm:Admission:MaxQueue={streams}", "GrpcLlm:Admission:QueueTimeout=00:05:00",
        ]);
        using var caller = new GrpcCaller("grpcllm", server.Address, "silent");
        var holder = await OpenAsync(upstream, caller, "silent", 1);
        var calls = new List<(string Id, IDisposable Call)>();
        for (var n = 0; n < streams; n++)
        {
            var id = $"queued-{n}";
            var call = caller.Client.Generate(new GenerateRequest { Model = "silent", Prompt = "p", RequestId = id, Output = new OutputOptions { Progress = true } });
            calls.Add((id, call));

            // Its first message tells that it is queued.
            if (!await call.ResponseStream.MoveNext(CancellationToken.None)) throw new InvalidOperationException("A call ended in the queue.");
        }

        var times = new List<double>();
        foreach (var (id, call) in calls)
        {
            var done = ended.GetOrAdd(id, static _ => new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously));
            var start = TimeProvider.System.GetTimestamp();
            call.Dispose();
            times.Add(TimeProvider.System.GetElapsedTime(start, await done.Task).TotalMilliseconds);
        }

        holder[0].Dispose();
        return times;

        void Note(string line)
        {
            if (RequestId().Match(line) is { Success: true, Groups: var groups } && ended.TryGetValue(groups["id"].Value, out var waiting))
                waiting.TrySetResult(TimeProvider.System.GetTimestamp());
        }
    }

    private static async Task<List<IDisposable>> OpenAsync(SseUpstream upstream, GrpcCaller caller, string model, int streams)
    {
        var begun = 0;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        upstream.Begun = () =>
        {
            if (Interlocked.Increment(ref begun) == streams) all.TrySetResult();
        };
        var calls = new List<IDisposable>();
        var firsts = new List<Task>();
        for (var n = 0; n < streams; n++)
        {
            var call = caller.Client.Generate(new GenerateRequest { Model = model, Prompt = $"p{n}" });
            calls.Add(call);
            if (model != "wait") firsts.Add(call.ResponseStream.MoveNext(CancellationToken.None));
        }

        await all.Task;
        await Task.WhenAll(firsts);

        // A connection that breaks off its calls as soon as they have begun is ended.
        await Task.Delay(ResetGuard.Early, TimeProvider.System);
        return calls;
    }

    [GeneratedRegex("(?<id>queued-[0-9]+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex RequestId();
}
