namespace GrpcLlm.Cli.Bench.Load;

/// <summary>
/// Runs the code of a call often enough that the runtime compiles it for speed: what a call meets for the first time takes
/// milliseconds, which would be told as TTFT. Stateless.
/// </summary>
internal static class WarmUp
{
    /// <summary>Calls of a lot: the runtime compiles a method anew after 30.</summary>
    private const int Calls = 40;

    /// <summary>Lots: compiled at all, counted, compiled with probes, compiled for speed.</summary>
    public const int Lots = 4;

    /// <summary>Between lots: it counts and compiles only when nothing new has been called for 100 ms.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(150);

    /// <summary>Makes the calls, one after another.</summary>
    /// <param name="call">A call; false ends the warm-up.</param>
    /// <param name="lots">How many lots; more where much has to be compiled.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task RunAsync(Func<Task<bool>> call, int lots, CancellationToken cancellationToken)
    {
        for (var lot = 0; lot < lots; lot++)
        {
            if (lot > 0) await Task.Delay(Pause, TimeProvider.System, cancellationToken);
            for (var number = 0; number < Calls; number++)
            {
                if (!await call()) return;
            }
        }
    }
}
