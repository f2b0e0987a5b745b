using System.ComponentModel.DataAnnotations;

namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>One fault among <see cref="SimulatorOptions.Faults"/>.</summary>
internal sealed class SimulatorFaultOptions
{
    /// <summary>
    /// An HTTP status from 400 to 599, <c>refused</c>, <c>stall</c>, <c>reset</c>, <c>truncate</c>, <c>malformed</c> or
    /// <c>slow</c>: see <see cref="SimulatorFaultKind"/>. Required.
    /// </summary>
    [Required]
    public string Kind { get; set; } = "";

    /// <summary>Share of answers that it hits. Above 0 to 1; those of all faults are together at most 1. Required.</summary>
    [Range(0.000_001, 1.0)]
    public double Rate { get; set; }

    /// <summary>
    /// Tokens that come before it; 0: none. An answer that is shorter ends well. Not with <c>refused</c> and <c>slow</c>.
    /// 0 to 1,000,000. Default: 0.
    /// </summary>
    [Range(0, 1_000_000)]
    public int AfterTokens { get; set; }

    /// <summary>The Retry-After of a status. 0 to 1 day. Default: 1 s with 429, else none.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan? RetryAfter { get; set; }

    /// <summary>With <c>slow</c>: how many times longer everything takes. Above 1 to 1000. Default: 10.</summary>
    [Range(1.000_001, 1000.0)]
    public double? Factor { get; set; }
}
