using System.ComponentModel.DataAnnotations;

namespace GrpcLlm.Server.Backends;

/// <summary>How long a backend may say nothing, for those that keep such limits.</summary>
internal class SilenceOptions
{
    /// <summary>
    /// Longest time from sending the request to the first token; comments and pings do not count. Above 0 to 1 hour.
    /// Default: 30 s.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "01:00:00")]
    public TimeSpan FirstTokenTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Longest silence after the first token; comments and pings are no silence, and time in which the client does not
    /// read does not count. Above 0 to 1 hour. Default: 30 s.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "01:00:00")]
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromSeconds(30);
}
