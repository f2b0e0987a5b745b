using Grpc.Core;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// What this service costs a token beside a bare Grpc.AspNetCore handler that writes the same messages; in turns, flood and
/// paced.
/// </summary>
internal static class SimulatorBenchmark
{
    private const int PaceMilliseconds = 20;
    private static readonly int[] StreamCounts = [1, 50, 500];

    public static async Task RunAsync(Report report)
    {
        await using var bare = await BareServer.StartAsync(new Uri("http://127.0.0.1:1"));
        await using var server = await ServerProcess.StartAsync(
            "GrpcLlm:Backends:none:Kind=simulator", "GrpcLlm:Models:flood:Routes:0:Backend=none",
            "GrpcLlm:Backends:paced:Kind=simulator", $"GrpcLlm:Backends:paced:TimeToFirstToken=00:00:00.{PaceMilliseconds:000}",
            $"GrpcLlm:Backends:paced:InterTokenLatency=00:00:00.{PaceMilliseconds:000}", "GrpcLlm:Models:paced:Routes:0:Backend=paced");
        report.Section("A token from the simulator", $"""
            The simulator through this service, and a bare Grpc.AspNetCore handler that writes messages with the same fields: text,
            sequence, time, count and gap. Flood: as fast as the client reads. Paced: a token every {PaceMilliseconds} ms, by a timer a
            stream in the bare handler. Client and server share the cores; medians of rounds taken in turns. A client that does not
            keep up gets merged messages from this service.
            """);
        var rows = new List<string[]>();
        foreach (var isPaced in new[] { false, true })
        {
            using var own = new GrpcCaller("grpcllm", server.Address, isPaced ? "paced" : "flood");
            using var other = new GrpcCaller("bare", bare.Address, "bare", isPaced ? new Metadata { { "pace-ms", $"{PaceMilliseconds}" } } : null);
            for (var warmUp = report.Pick(10, 1); warmUp > 0; warmUp--)
            {
                await RelayBenchmark.FloodAsync(own, 50, isPaced ? 25 : report.Pick(2000, 200));
                await RelayBenchmark.FloodAsync(other, 50, isPaced ? 25 : report.Pick(2000, 200));
            }

            foreach (var streams in StreamCounts)
            {
                var tokens = isPaced ? report.Pick(100, 25) : report.Pick(500_000, 20_000) / streams;
                var (mine, theirs) = (new Side(), new Side());
                for (var round = 0; round < (isPaced ? report.Pick(3, 1) : report.Pick(7, 1)); round++)
                {
                    await MeasureAsync(mine, server, own, streams, tokens);
                    await MeasureAsync(theirs, bare, other, streams, tokens);
                }

                var ratio = Statistics.Median([.. mine.Costs.Zip(theirs.Costs, static (one, two) => one / two)]);
                rows.Add(
                [
                    isPaced ? "paced" : "flood", Report.Whole(streams),
                    Report.Whole(Statistics.Median(mine.Rates)), Report.Whole(Statistics.Median(theirs.Rates)),
                    Report.Number(Statistics.Median(mine.Costs), 2), Report.Number(Statistics.Median(theirs.Costs), 2), Report.Number(ratio, 2),
                    Report.Number((double)mine.Tokens / mine.Messages, 2),
                ]);
                if (isPaced && streams == 500)
                    report.Goal("server CPU a token against a bare handler, paced, 500 streams", "within 1.25×", $"{Report.Number(ratio, 2)}×", ratio <= 1.25);
            }
        }

        report.Table(["", "streams", "tokens/s", "bare", "CPU µs a token", "bare", "ratio", "tokens a message"], rows);
    }

    private static async Task MeasureAsync(Side side, ServerProcess server, GrpcCaller caller, int streams, int tokens)
    {
        var before = server.ProcessorTime;
        var (rate, messages) = await RelayBenchmark.FloodAsync(caller, streams, tokens);
        side.Costs.Add((server.ProcessorTime - before).TotalMicroseconds / (streams * (double)tokens));
        side.Rates.Add(rate);
        side.Tokens += streams * tokens;
        side.Messages += messages;
    }

    private sealed class Side
    {
        public List<double> Rates { get; } = [];

        public List<double> Costs { get; } = [];

        public long Tokens { get; set; }

        public long Messages { get; set; }
    }
}
