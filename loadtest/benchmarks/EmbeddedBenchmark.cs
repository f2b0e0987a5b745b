using System.Globalization;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.V1;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// The embedded model in this process: tokens a second beside llama.cpp's, what a long prompt does to others, and what a
/// known prefix saves.
/// </summary>
internal static class EmbeddedBenchmark
{
    private const int Rounds = 3;
    private const int PromptTokens = 400;

    public static async Task RunAsync(Report report)
    {
        report.Section("The embedded model", """
            Tokens a second of the model in this process, in all and for each second of processor time, beside llama.cpp (npm's
            node-llama-cpp) on one thread; and what a long prompt does to streams that run.
            """);
        if (report.Quick) report.Note("Left out of the short form.");
        else await report.CaptureAsync(MeasureAsync);
    }

    private static async Task MeasureAsync()
    {
        var llama = await LlamaCpp.InstallAsync();
        Console.WriteLine($"embedded: {Environment.ProcessorCount} cores; median of {Rounds} rounds; ratios to llama.cpp on one thread");
        Console.WriteLine($"  {"",-24} {"streams",8} {"threads",7}{"tokens/s",9} {"ratio",6} {"per CPU s",9} {"ratio",6} {"prompt/s",9} {"ratio",6} {"per CPU s",9} {"ratio",6}");
        await CompareAsync(llama, EmbeddedModel.DefaultPath, "grpcllm-tales-3m", [(1, 200), (8, 200), (64, 100)]);
        var large = SyntheticModel.Write();
        await CompareAsync(llama, large, "58m, random", [(1, 50), (8, 30)]);
        File.Delete(large);
        await MeasureFairnessAsync();
        await MeasurePrefixAsync();
    }

    private static async Task CompareAsync(string? llama, string path, string name, (int Streams, int Tokens)[] cases)
    {
        foreach (var (streams, tokens) in cases)
        {
            var yardstick = llama is null
                ? null
                : await LlamaCpp.MeasureAsync(llama, path, streams, tokens, Rounds + 1, PromptTokens);
            var reference = yardstick is null ? default : Medians(yardstick[1..]);
            if (yardstick is not null) Print(name + ", llama.cpp", streams, 1, reference, reference);
            foreach (var threads in Environment.ProcessorCount == 1 ? [1] : (int[])[1, Environment.ProcessorCount])
            {
                await using var backend = Create(path, threads, prefixes: false);
                var rates = new List<(Rate, Rate)>();
                for (var round = 0; round <= Rounds; round++)
                {
                    rates.Add((
                        await MeasureAsync(streams * tokens, () => Task.WhenAll(Enumerable.Range(0, streams).Select(_ => GenerateAsync(backend, "Once upon a time", tokens)))),
                        await MeasureAsync(PromptTokens, () => GenerateAsync(backend, LongPrompt(PromptTokens, round), 1))));
                }

                Print(name, streams, threads, Medians(rates[1..]), reference);
            }
        }
    }

    // 64 streams go on while a long prompt arrives: the longest time between two of their tokens, before and meanwhile.
    private static async Task MeasureFairnessAsync()
    {
        await using var backend = Create(EmbeddedModel.DefaultPath, 0, prefixes: false);
        const int streams = 64;
        var stamps = new List<long>[streams];
        using var warm = new SemaphoreSlim(0);
        var readers = Enumerable.Range(0, streams).Select(async i =>
        {
            stamps[i] = [];
            await foreach (var item in backend.GenerateAsync(Call("Once upon a time", 300), CancellationToken.None))
            {
                if (item.Kind != BackendEventKind.Text) continue;
                stamps[i].Add(TimeProvider.System.GetTimestamp());
                if (stamps[i].Count == 150) warm.Release();
            }
        }).ToList();
        for (var i = 0; i < streams; i++) await warm.WaitAsync();
        var arrived = TimeProvider.System.GetTimestamp();
        await GenerateAsync(backend, LongPrompt(PromptTokens, 1), 1);
        var answered = TimeProvider.System.GetTimestamp();
        await Task.WhenAll(readers);

        var window = answered - arrived;
        Console.WriteLine($"  a prompt of {PromptTokens} tokens beside {streams} streams, longest gap between two tokens of a stream (and of half of the streams), ms");
        PrintGaps("before, as long", stamps, arrived - window, arrived);
        PrintGaps("while it runs", stamps, arrived, answered);
        PrintGaps("after", stamps, answered, answered + window);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  its first token after {TimeProvider.System.GetElapsedTime(arrived, answered).TotalMilliseconds:0.0} ms"));
    }

    private static void PrintGaps(string when, List<long>[] stamps, long from, long to)
    {
        var longest = stamps.Select(stream => stream.Zip(stream.Skip(1))
            .Where(pair => pair.Second > from && pair.Second <= to)
            .Select(static pair => TimeProvider.System.GetElapsedTime(pair.First, pair.Second).TotalMilliseconds)
            .DefaultIfEmpty(0).Max()).ToList();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"    {when,-16} {longest.Max(),7:0.0} ({Statistics.Percentile(longest, 0.5):0.0})"));
    }

    private static async Task MeasurePrefixAsync()
    {
        await using var backend = Create(EmbeddedModel.DefaultPath, 1, prefixes: true);
        await GenerateAsync(backend, LongPrompt(PromptTokens, 0), 1);
        List<double> cold = [], known = [];
        for (var round = 1; round <= 20; round++)
        {
            var prompt = LongPrompt(PromptTokens, round);
            cold.Add((await MeasureAsync(1, () => GenerateAsync(backend, prompt, 1))).Milliseconds);
            known.Add((await MeasureAsync(1, () => GenerateAsync(backend, prompt + " And then", 1))).Milliseconds);
        }

        var (first, second) = (Statistics.Percentile(cold, 0.5), Statistics.Percentile(known, 0.5));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  time to first token of {PromptTokens} tokens, p50: {first:0.00} ms; of the same and two words more: {second:0.00} ms ({first / second:0.0} times as fast)"));
    }

    private static async Task<Measured> MeasureAsync(int tokens, Func<Task> run)
    {
        var cpu = Environment.CpuUsage.TotalTime;
        var start = TimeProvider.System.GetTimestamp();
        await run();
        var elapsed = TimeProvider.System.GetElapsedTime(start);
        return new Measured(tokens / elapsed.TotalSeconds, tokens / (Environment.CpuUsage.TotalTime - cpu).TotalSeconds, elapsed.TotalMilliseconds);
    }

    private static EmbeddedBackend Create(string path, int threads, bool prefixes) => new(
        "bench",
        new EmbeddedBackendOptions
        {
            ModelPath = path, Threads = threads, MaxConcurrent = 65, PrefixCacheBytes = prefixes ? 128 << 20 : 0,
        },
        null, TimeProvider.System);

    private static async Task GenerateAsync(EmbeddedBackend backend, string prompt, int tokens)
    {
        await foreach (var _ in backend.GenerateAsync(Call(prompt, tokens), CancellationToken.None))
        {
        }
    }

    private static BackendCall Call(string prompt, int tokens) => new(
        new GenerateRequest
        {
            Prompt = prompt, Sampling = new SamplingOptions { Temperature = 0 },
            Limits = new GenerationLimits { MaxOutputTokens = (uint)tokens, MinOutputTokens = (uint)tokens },
        },
        "bench");

    // Each word is one token of the shipped vocabulary; the first is of the round.
    private static string LongPrompt(int tokens, int round) =>
        $"{(char)('A' + round)}" + string.Concat(Enumerable.Repeat(" the", tokens - 2));

    private static (Rate Output, Rate Prompt) Medians(List<(Rate Output, Rate Prompt)> rates) => (
        new Rate(Median(rates, static rate => rate.Output.Value), Median(rates, static rate => rate.Output.PerCpuSecond)),
        new Rate(Median(rates, static rate => rate.Prompt.Value), Median(rates, static rate => rate.Prompt.PerCpuSecond)));

    private static double Median(List<(Rate Output, Rate Prompt)> rates, Func<(Rate Output, Rate Prompt), double> value) =>
        Statistics.Percentile(rates.ConvertAll(rate => value(rate)), 0.5);

    private static void Print(
        string name, int streams, int threads, (Rate Output, Rate Prompt) rates, (Rate Output, Rate Prompt) reference)
    {
        var (output, prompt) = rates;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  {name,-28} {streams,4} {threads,7} {output.Value,9:0} {Ratio(output.Value, reference.Output?.Value),6} {output.PerCpuSecond,9:0} {Ratio(output.PerCpuSecond, reference.Output?.PerCpuSecond),6} {prompt.Value,9:0} {Ratio(prompt.Value, reference.Prompt?.Value),6} {prompt.PerCpuSecond,9:0} {Ratio(prompt.PerCpuSecond, reference.Prompt?.PerCpuSecond),6}"));
    }

    private static string Ratio(double value, double? reference) =>
        reference is { } of ? (value / of).ToString("0.00", CultureInfo.InvariantCulture) : "-";

    private sealed record Measured(double Value, double PerCpuSecond, double Milliseconds) : Rate(Value, PerCpuSecond);
}
