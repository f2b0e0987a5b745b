namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>
/// When each token of one simulated answer is due, in time in which the simulator runs, from the moment at which the
/// answer began. The same seed gives the same schedule, load aside. Normal draws by Box and Muller's method, cut to 0.3 to
/// 1.7 times the mean. Not thread-safe.
/// </summary>
/// <param name="options">Means and deviations.</param>
/// <param name="overrides">Times that the call chose; they have no deviation, nor does prefill come on top.</param>
/// <param name="seed">Seed of the spread.</param>
/// <param name="inputTokens">What the prefill takes time for.</param>
/// <param name="slowness">What all times are multiplied by.</param>
internal sealed class SimulatorSchedule(
    SimulatorOptions options, SimulatorOverrides overrides, long seed, uint inputTokens, double slowness = 1)
{
    private const double Spread = 0.7;

    private SplitMix64 _random = new(seed);
    private TimeSpan _due;

    /// <summary>When the first token is due.</summary>
    /// <param name="load">Factor of the means for the load; 1: none.</param>
    public TimeSpan First(double load = 1) => _due = slowness * (overrides.TimeToFirstToken is { } chosen
        ? chosen * load
        : Draw(options.TimeToFirstToken * load, options.TimeToFirstTokenStdDev) + (options.PrefillTimePerToken * inputTokens * load));

    /// <summary>When the next token is due. Absolute, so that a late token does not delay those behind it.</summary>
    /// <param name="load">Factor of the means for the load; 1: none.</param>
    public TimeSpan Next(double load = 1) => _due += slowness * (overrides.InterTokenLatency is { } chosen
        ? chosen * load
        : Draw(options.InterTokenLatency * load, options.InterTokenLatencyStdDev));

    private TimeSpan Draw(TimeSpan mean, TimeSpan deviation)
    {
        if (deviation == TimeSpan.Zero) return mean;
        var normal = Math.Sqrt(-2 * Math.Log(1 - _random.NextUnit())) * Math.Cos(2 * Math.PI * _random.NextUnit());
        var drawn = mean + (deviation * normal);
        var least = mean * (1 - Spread);
        var most = mean * (1 + Spread);
        return drawn < least ? least : drawn > most ? most : drawn;
    }
}
