using System.Globalization;
using System.Text;
using GrpcLlm.Cli.Bench.Measurement;

namespace GrpcLlm.Cli.Bench.Results;

/// <summary>
/// A line for every stream, warm-up included, written when it ends. Times are milliseconds, instants since the start of
/// the run; what did not happen is empty. Not thread-safe.
/// </summary>
internal sealed class StreamCsv : IDisposable
{
    /// <summary>Names of the columns.</summary>
    public const string Header =
        "run,number,phase,planned,sent,first_token,last_token,ended,ttft,tpot,ntpot,e2e,schedule_delay,chunks,output_tokens,"
        + "input_tokens,outcome,status,met_slos,server_ttft,server_tpot,server_queue,server_overhead,server_total,client_stall";

    private readonly TextWriter _writer;
    private readonly StringBuilder _line = new();

    /// <summary>Writes the header.</summary>
    public StreamCsv(TextWriter writer)
    {
        _writer = writer;
        _writer.WriteLine(Header);
    }

    /// <summary>Number of the run, from 1.</summary>
    public int Run { get; set; } = 1;

    /// <summary>Writes a stream.</summary>
    /// <param name="trace">The stream.</param>
    /// <param name="isGood">Whether it ended well and met every objective.</param>
    public void Write(StreamTrace trace, bool isGood)
    {
        _line.Clear();
        Field(Run.ToString(CultureInfo.InvariantCulture));
        Field(trace.Number.ToString(CultureInfo.InvariantCulture));
        Field(trace.IsWarmup ? "warmup" : "measured");
        Time(trace.Planned);
        Time(trace.Sent);
        Time(trace.FirstToken);
        Time(trace.LastToken);
        Time(trace.Ended);
        Time(trace.Ttft);
        Time(trace.Tpot);
        Time(trace.Ntpot);
        Time(trace.E2e);
        Time(trace.Sent - trace.Planned);
        Field(trace.Chunks.ToString(CultureInfo.InvariantCulture));
        Field(trace.Tokens.ToString(CultureInfo.InvariantCulture));
        Field(trace.Finish?.Usage is { HasInputTokens: true } usage ? usage.InputTokens.ToString(CultureInfo.InvariantCulture) : "");
        Field(StreamOutcome.Of(trace));
        Field(StreamOutcome.StatusOf(trace));
        Field(isGood ? "true" : "false");
        var timing = trace.Finish?.Timing;
        Microseconds(timing is { HasTtftUs: true } ? timing.TtftUs : null);
        Microseconds(timing is { HasTpotUs: true } ? timing.TpotUs : null);
        Microseconds(timing?.QueueUs);
        Microseconds(timing?.OverheadUs);
        Microseconds(timing?.TotalUs);
        Microseconds(timing?.ClientStallUs);
        _writer.WriteLine(_line);
    }

    public void Dispose() => _writer.Dispose();

    private void Time(long? nanoseconds) =>
        Field(nanoseconds is null or StreamTrace.Never ? "" : Number(Distributions.Milliseconds(nanoseconds.Value)));

    private void Microseconds(double? microseconds) => Field(microseconds is { } value ? Number(value / 1000) : "");

    private static string Number(double milliseconds) => milliseconds.ToString("0.######", CultureInfo.InvariantCulture);

    /// <summary>A reason is the server's own word: what would break the line is quoted.</summary>
    private void Field(string text)
    {
        if (_line.Length > 0) _line.Append(',');
        if (text.AsSpan().ContainsAny(",\"\r\n")) _line.Append('"').Append(text.Replace("\"", "\"\"", StringComparison.Ordinal)).Append('"');
        else _line.Append(text);
    }
}
