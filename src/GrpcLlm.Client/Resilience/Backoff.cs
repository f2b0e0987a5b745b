namespace GrpcLlm.Client.Resilience;

/// <summary>Waits between attempts where the server names none: exponential, with jitter. Immutable.</summary>
/// <param name="Base">Wait before the second attempt, before jitter.</param>
/// <param name="Longest">Longest wait.</param>
internal sealed record Backoff(TimeSpan Base, TimeSpan Longest)
{
    /// <summary>Largest exponent: beyond it the wait is the longest one in any case.</summary>
    private const int MaxDoublings = 30;

    /// <summary>The wait after a failed attempt.</summary>
    /// <param name="attempt">Number of the failed attempt, from 1.</param>
    /// <param name="random">A random number, 0 to 1.</param>
    /// <returns>Between half of and the whole exponential wait.</returns>
    public TimeSpan After(int attempt, double random)
    {
        var doublings = Math.Clamp(attempt - 1, 0, MaxDoublings);
        var wait = Math.Min(Base.Ticks * Math.Pow(2, doublings), Longest.Ticks);
        return TimeSpan.FromTicks((long)(wait * (1 - random / 2)));
    }
}
