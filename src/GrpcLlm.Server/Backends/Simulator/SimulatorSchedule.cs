namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>
/// When each token of one simulated answer is due, from the start of the attempt. The same seed gives the same
/// schedule. Normal draws by Box and Muller's method, cut to 0.3 to 1.7 times the mean. Not thread-safe.
/// </summary>
internal sealed class SimulatorSchedule(SimulatorOptions options, long seed, uint inputTokens)
{
    private const double Spread = 0.7;

    // A seeded System.Random keeps its algorithm between versions of .NET (documented for compatibility).
    private readonly Random _random = new(unchecked((int)(seed ^ (seed >> 32))));
    private TimeSpan _due;

    /// <summary>When the first token is due.</summary>
    public TimeSpan First() => _due =
        Draw(options.TimeToFirstToken, options.TimeToFirstTokenStdDev) + (options.PrefillTimePerToken * inputTokens);

    /// <summary>When the next token is due. Absolute, so that a late token does not delay those behind it.</summary>
    public TimeSpan Next() => _due += Draw(options.InterTokenLatency, options.InterTokenLatencyStdDev);

    private TimeSpan Draw(TimeSpan mean, TimeSpan deviation)
    {
        if (deviation == TimeSpan.Zero) return mean;
        var normal = Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble());
        var drawn = mean + (deviation * normal);
        var least = mean * (1 - Spread);
        var most = mean * (1 + Spread);
        return drawn < least ? least : drawn > most ? most : drawn;
    }
}
