using System.ComponentModel.DataAnnotations;

namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>Settings of a backend of kind <c>simulator</c>; names after llm-d-inference-sim, the field's own.</summary>
internal sealed class SimulatorOptions
{
    /// <summary>Mean time from the request to the first token. 0 to 1 hour. Default: 0.</summary>
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

    /// <summary>Seed of the spread, for requests without one. Default: 0.</summary>
    public long Seed { get; set; }
}
