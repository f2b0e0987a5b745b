using GrpcLlm.FunctionalTests.Testing;
using GenerationClient = GrpcLlm.V1.GenerationService.GenerationServiceClient;

namespace GrpcLlm.Soak;

/// <summary>How long, and with what.</summary>
/// <param name="Seed">Seed: the same seed, the same calls and faults; their order in time is the machine's.</param>
/// <param name="Duration">Time of traffic.</param>
/// <param name="Callers">Calls at once.</param>
internal sealed record SoakPlan(int Seed, TimeSpan Duration, int Callers);

/// <summary>One run: traffic, faults, reloads and restarts; then what must be left of it, which is nothing.</summary>
internal sealed class SoakRun(SoakPlan plan)
{
    private const string Active = "grpcllm_streams_active";
    private const string Finished = "grpcllm_streams_finished_total";

    private static readonly TimeSpan QuietTime = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan SampleEvery = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(15);

    private readonly List<(double Seconds, Sample Sample)> _samples = [];
    private readonly Random _random = new(plan.Seed);
    private readonly List<string> _broken = [];
    private readonly Tally _tally = new();
    private long _checked;

    /// <summary>Runs.</summary>
    /// <returns>What came of it.</returns>
    public async Task<SoakReport> RunAsync()
    {
        await using var upstream = await FaultyUpstream.StartAsync(plan.Seed, CancellationToken.None);
        using var settings = new SoakSettings(upstream.Address);
        settings.Write(0);
        await using var server = await ServerUnderTest.StartAsync();
        var texts = await ReadTextsAsync(server);
        using var traffic = new Traffic(plan, server, upstream, texts, _tally);
        using var stop = new CancellationTokenSource(plan.Duration, TimeProvider.System);

        await Task.WhenAll(traffic.RunAsync(stop.Token), DisturbAsync(settings, server, stop.Token), SampleAsync(server, stop.Token));
        await BecomeQuietAsync(server, upstream);
        traffic.CheckLate();
        await CheckRestAsync(server, upstream, traffic.Unrecorded);
        var (memory, heap, descriptors) = CheckTrends();
        await server.StopAsync();
        Must(server.BadExits.Count == 0, $"exit codes {string.Join(", ", server.BadExits)}");
        Must(_tally.Retries.Lost == 0, $"{_tally.Retries.Lost} clients did not get through a restart");
        Must(server.Errors.Count == 0, $"{server.Errors.Count} error logs: {string.Join(" | ", server.Errors.Take(5))}");
        return new SoakReport(plan, _tally, traffic.Checked + _checked, [.. traffic.Broken, .. _broken])
        {
            Restarts = server.Restarts, Reloads = server.Reloads, Records = server.Records.Count, MostConnections = upstream.MostConnections,
            Memory = memory, Heap = heap, Descriptors = descriptors, Samples = Steady.Count,
        };
    }

    /// <summary>
    /// Samples of the last process, without its first quarter and 15 s at least, in which code is compiled and pools fill.
    /// </summary>
    private List<(double Seconds, Sample Sample)> Steady
    {
        get
        {
            if (_samples.Count == 0) return [];
            var last = _samples.FindAll(one => one.Sample.Process == _samples[^1].Sample.Process);
            return [.. last.Skip(Math.Max(last.Count / 4, (int)(WarmUp / SampleEvery)))];
        }
    }

    private static async Task<Texts> ReadTextsAsync(ServerUnderTest server)
    {
        using var connections = new Connections(server.Address);
        GenerationClient client = connections.Of(0);
        var texts = await Texts.ReadAsync(client);

        for (var number = 0; number < Texts.Calls; number++)
        {
            await server.Records.AwaitAsync(Texts.NameOf(number), QuietTime);
            server.Records.Take(Texts.NameOf(number));
        }

        return texts;
    }

    /// <summary>Rewrites the settings all the time, and restarts the server twice in the first third.</summary>
    private async Task DisturbAsync(SoakSettings settings, ServerUnderTest server, CancellationToken stop)
    {
        var start = TimeProvider.System.GetTimestamp();
        try
        {
            for (var version = 1; !stop.IsCancellationRequested; version++)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(_random.Next(500, 3000)), TimeProvider.System, stop);
                var isValid = _random.Next(3) > 0;
                if (isValid) settings.Write(version);
                else if (_random.Next(2) == 0) settings.WriteInvalid(version);
                else settings.WriteHalf(version);
                var elapsed = TimeProvider.System.GetElapsedTime(start) / plan.Duration;
                if (server.Restarts > 1 || elapsed < 0.12 * (server.Restarts + 1) || !isValid) continue;
                await server.RestartAsync();
            }
        }
        catch (OperationCanceledException)
        {
            // The run is over.
        }
    }

    private async Task SampleAsync(ServerUnderTest server, CancellationToken stop)
    {
        using var timer = new PeriodicTimer(SampleEvery, TimeProvider.System);
        var start = TimeProvider.System.GetTimestamp();
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                if (await server.SampleAsync() is { } sample) _samples.Add((TimeProvider.System.GetElapsedTime(start).TotalSeconds, sample));
            }
        }
        catch (OperationCanceledException)
        {
            // The run is over.
        }
    }

    /// <summary>Waits until nothing runs any more.</summary>
    private async Task BecomeQuietAsync(ServerUnderTest server, FaultyUpstream upstream)
    {
        var start = TimeProvider.System.GetTimestamp();
        double active = -1;
        while (TimeProvider.System.GetElapsedTime(start) < QuietTime)
        {
            active = await server.MetricAsync(Active);
            if (active == 0 && upstream.Open == 0) break;
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        }

        Must(active == 0, $"{active} streams are active although no call runs");
        Must(upstream.Open == 0, $"{upstream.Open} answers of the upstream are open although no call runs");
    }

    private async Task CheckRestAsync(ServerUnderTest server, FaultyUpstream upstream, int unrecorded)
    {
        var finished = await server.MetricAsync(Finished);
        Must(finished == server.RecordsOfThisProcess, $"{finished} streams finished and {server.RecordsOfThisProcess} usage records");

        // The record of a call whose client left before its request was read has a name of the server's making.
        var untaken = server.Records.Untaken;
        Must(!untaken.Any(static name => name.StartsWith("call-", StringComparison.Ordinal)), $"a second record: {string.Join(", ", untaken.Take(5))}");
        Must(untaken.Count <= unrecorded, $"{untaken.Count} records of nobody's call, {unrecorded} calls without one");
        Must(server.Reloads.Taken > 0 && server.Reloads.Rejected > 0, $"{server.Reloads} reloads");
        Must(server.Restarts == 2, $"{server.Restarts} restarts");

        // Each call at once may have all its attempts open; a pool that was replaced keeps its own until they end.
        var most = 2 * plan.Callers * SoakSettings.MaxAttempts;
        Must(upstream.MostConnections <= most, $"{upstream.MostConnections} connections to the upstream");
    }

    private (TrendResult Memory, TrendResult Heap, TrendResult Descriptors) CheckTrends()
    {
        var steady = Steady;
        Must(steady.Count >= 20, $"{steady.Count} samples of a steady server");
        var memory = TrendOf(static sample => sample.ResidentBytes, least: 24 << 20);
        var heap = TrendOf(static sample => sample.HeapBytes, least: 16 << 20);
        var descriptors = TrendOf(static sample => sample.Descriptors, least: 48);
        Must(!memory.Grows, $"memory grows: {memory}");
        Must(!heap.Grows, $"the heap grows: {heap}");
        Must(!descriptors.Grows, $"file descriptors grow: {descriptors}");
        return (memory, heap, descriptors);

        TrendResult TrendOf(Func<Sample, double> of, double least)
        {
            List<(double, double)> values = [.. steady.Select(one => (one.Seconds, of(one.Sample)))];
            var middle = values.Count == 0 ? 0 : values.Select(static one => one.Item2).Order().ElementAt(values.Count / 2);
            return Trend.Of(values, Math.Max(least, middle / 10));
        }
    }

    private void Must(bool holds, string otherwise)
    {
        _checked++;
        if (!holds) _broken.Add(otherwise);
    }
}
