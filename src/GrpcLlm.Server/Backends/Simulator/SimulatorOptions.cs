using System.ComponentModel.DataAnnotations;

namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>
/// Settings of a backend of kind <c>simulator</c>; names after llm-d-inference-sim, the field's own. Its limits on
/// silence count the wait for a slot, pauses and faults, as behind a socket.
/// </summary>
internal sealed class SimulatorOptions : SilenceOptions
{
    /// <summary>Mean time from the request, or from its slot, to the first token. 0 to 1 hour. Default: 0.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan TimeToFirstToken { get; set; }

    /// <summary>Standard deviation of <see cref="TimeToFirstToken"/>; draws are cut to 0.3 to 1.7 means. Default: 0.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan TimeToFirstTokenStdDev { get; set; }

    /// <summary>Added to the time to first token for each input token. 0 to 1 s. Default: 0.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:00:01")]
    public TimeSpan PrefillTimePerToken { get; set; }

    /// <summary>Mean time between tokens. 0 to 1 hour; 0: as fast as they are read. Default: 0.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan InterTokenLatency { get; set; }

    /// <summary>Standard deviation of <see cref="InterTokenLatency"/>; draws are cut to 0.3 to 1.7 means. Default: 0.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan InterTokenLatencyStdDev { get; set; }

    /// <summary>Tokens of an answer whose request sets no limit; it then ends with STOP. 1 to 1,000,000. Default: 128.</summary>
    [Range(1, 1_000_000)]
    public int OutputTokens { get; set; } = 128;

    /// <summary>Answers that run at once; the others wait in order. 0 to 1,000,000. Default: 0, as many as come.</summary>
    [Range(0, 1_000_000)]
    public int MaxConcurrent { get; set; }

    /// <summary>Answers that may wait; one more is refused as overloaded. 0 to 1,048,576. Default: 1024.</summary>
    [Range(0, 1_048_576)]
    public int MaxQueue { get; set; } = 1024;

    /// <summary>
    /// How many times longer everything takes with <see cref="MaxConcurrent"/> answers running: the means are multiplied
    /// by 1 + (factor - 1) * (running - 1) / (MaxConcurrent - 1), the deviations are not. The formula is that of
    /// llm-d-inference-sim (<c>time-factor-under-load</c>, <c>max-num-seqs</c>). Running answers are counted anew for
    /// each token. 1 to 1000; above 1 it needs a MaxConcurrent of 2 or more. Default: 1, no effect.
    /// </summary>
    [Range(1.0, 1000.0)]
    public double TimeFactorUnderLoad { get; set; } = 1;

    /// <summary>
    /// Time from the first call to the first pause, and from the beginning of one pause to that of the next. In a pause
    /// the simulator stands still, as a server does that collects garbage or is swapped out: no token comes, no request
    /// gets ahead, and what was due comes so much later. Up to 1 day. Default: 0, never.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan PauseEvery { get; set; }

    /// <summary>Length of a pause; less than <see cref="PauseEvery"/>. Default: 0.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan PauseLength { get; set; }

    /// <summary>What goes wrong, and how often. An answer has at most one of them. Default: none.</summary>
    public List<SimulatorFaultOptions> Faults { get; set; } = [];

    /// <summary>
    /// Requests without a seed get one that is drawn from this and from how many came before them. Schedule and fault
    /// depend on the request's seed alone, so one that is sent again, by a retry too, gets the same. Default: 0.
    /// </summary>
    public long Seed { get; set; }

    /// <summary>
    /// Whether calls may choose times, length and fault by metadata, see <see cref="SimulatorOverrides"/>. Default:
    /// false, such calls are refused.
    /// </summary>
    public bool AllowRequestOverrides { get; set; }
}
