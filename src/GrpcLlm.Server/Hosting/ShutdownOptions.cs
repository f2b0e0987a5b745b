using System.ComponentModel.DataAnnotations;

namespace GrpcLlm.Server.Hosting;

/// <summary>How the server stops: <c>GrpcLlm:Shutdown</c>.</summary>
internal sealed class ShutdownOptions
{
    /// <summary>
    /// Time after the signal in which new calls are still served, while readiness and health say that no more should
    /// come: time for load balancers to notice. 0 to 10 min. Default: 0.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:10:00")]
    public TimeSpan Delay { get; set; }

    /// <summary>
    /// Time that running generations have to finish; then they end with DRAINING. 0 to 1 day. Default: 15 s, so that
    /// the stop, of which up to 13 s come after, fits into the 30 s that Kubernetes gives.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00")]
    public TimeSpan Grace { get; set; } = TimeSpan.FromSeconds(15);
}
