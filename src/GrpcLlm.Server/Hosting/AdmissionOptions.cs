using System.ComponentModel.DataAnnotations;

namespace GrpcLlm.Server.Hosting;

/// <summary>How many generations run at once, and how many wait: <c>GrpcLlm:Admission</c>.</summary>
internal sealed class AdmissionOptions
{
    /// <summary>Generations that run at once. 1 to 1,000,000. Default: 4096.</summary>
    [Range(1, 1_000_000)]
    public int MaxConcurrent { get; set; } = 4096;

    /// <summary>
    /// Generations that wait for a place, of all tenants together. 0 to 1,000,000; 0: none waits. Default: 1024. When it
    /// is full, the tenant with the most waiting gives way, its latest call first.
    /// </summary>
    [Range(0, 1_000_000)]
    public int MaxQueue { get; set; } = 1024;

    /// <summary>Longest wait for a place. 1 ms to 1 hour. Default: 10 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "01:00:00")]
    public TimeSpan QueueTimeout { get; set; } = TimeSpan.FromSeconds(10);
}
