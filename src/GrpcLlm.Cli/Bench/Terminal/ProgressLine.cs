using System.Text;
using GrpcLlm.Cli.Bench.Load;
using GrpcLlm.Pages;

namespace GrpcLlm.Cli.Bench.Terminal;

/// <summary>
/// A line on the terminal that tells how a run goes, a few times a second; nothing where diagnostics are no terminal.
/// Disposing takes the line away.
/// </summary>
internal sealed class ProgressLine : IAsyncDisposable
{
    private const int BarWidth = 20;
    private const string EraseLine = "\r\e[2K";

    // What does not fit is cut by the terminal: a line that wraps could not be erased.
    private const string WithoutWrapping = "\e[?7l";
    private const string WithWrapping = "\e[?7h";

    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(250);

    private readonly TextWriter _output;
    private readonly LoadPlan _plan;
    private readonly LiveCounters _live;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _over = new();
    private readonly Queue<(long Timestamp, LiveSnapshot Snapshot)> _lastSecond = new();
    private readonly long _start;
    private readonly Task _task;

    /// <summary>Starts to tell.</summary>
    public ProgressLine(CliConsole console, LoadPlan plan, LiveCounters live, TimeProvider time)
    {
        _output = console.Error;
        _plan = plan;
        _live = live;
        _time = time;
        _start = time.GetTimestamp();
        _task = console.Color ? RefreshAsync() : Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _task;
        _over.Dispose();
    }

    /// <summary>The line.</summary>
    /// <param name="plan">The load.</param>
    /// <param name="now">Counters now.</param>
    /// <param name="before">Counters up to a second earlier, for rates.</param>
    /// <param name="elapsed">Time since the start.</param>
    /// <param name="between">Time between the two.</param>
    public static string Text(LoadPlan plan, LiveSnapshot now, LiveSnapshot before, TimeSpan elapsed, TimeSpan between)
    {
        var line = new StringBuilder();
        var done = Math.Max(
            plan.Total is { } total ? (double)now.Ended / total : 0,
            plan.Duration is { } duration ? elapsed / duration : 0);
        if (plan.Total is not null || plan.Duration is not null)
        {
            done = Math.Min(done, 1);
            var filled = (int)(done * BarWidth);
            line.Append('[').Append('#', filled).Append('-', BarWidth - filled).Append("] ").Append($"{Math.Floor(done * 100),3:0} %  ");
        }

        var seconds = Math.Max(between.TotalSeconds, 1e-3);
        line.Append($"{Figures.Rate((now.Ended - before.Ended) / seconds)} streams/s  {Figures.Rate((now.Tokens - before.Tokens) / seconds)} tokens/s  ");
        line.Append($"{Figures.Count(now.Open)} open  ");
        if (Mean(now.TtftSum - before.TtftSum, now.FirstTokens - before.FirstTokens) is { } ttft) line.Append($"TTFT {ttft}  ");
        if (Mean(now.TpotSum - before.TpotSum, now.Tpots - before.Tpots) is { } tpot) line.Append($"TPOT {tpot}  ");
        line.Append($"{Figures.Count(now.Failed)} failed  {Clock(elapsed)}");
        if (done is > 0 and < 1) line.Append($", {Clock((elapsed / done) - elapsed)} left");
        return line.ToString();
    }

    private static string? Mean(long sum, long count) => count > 0 ? Figures.Time(sum / (double)count / 1e6) : null;

    private static string Clock(TimeSpan time) =>
        time.TotalHours >= 1 ? time.ToString(@"h\:mm\:ss") : time.ToString(@"m\:ss");

    private async Task RefreshAsync()
    {
        using var timer = new PeriodicTimer(Refresh, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_over.Token))
            {
                var timestamp = _time.GetTimestamp();
                var now = _live.Take();
                _lastSecond.Enqueue((timestamp, now));
                if (_lastSecond.Count > TimeSpan.FromSeconds(1) / Refresh + 1) _lastSecond.Dequeue();
                var (since, before) = _lastSecond.Count > 1 ? _lastSecond.Peek() : (_start, default);
                var text = Text(_plan, now, before, _time.GetElapsedTime(_start, timestamp), _time.GetElapsedTime(since, timestamp));
                await _output.WriteAsync($"{EraseLine}{WithoutWrapping}{text}{WithWrapping}");
            }
        }
        catch (OperationCanceledException) when (_over.IsCancellationRequested)
        {
            await _output.WriteAsync(EraseLine);
        }
    }
}
