namespace GrpcLlm.Cli.Bench.Load;

/// <summary>What this program itself took from the machine, and how long it stood still, during a span of time.</summary>
/// <param name="Processors">Processors in use on average.</param>
/// <param name="GcPauses">Time in which garbage collections stopped every thread.</param>
/// <param name="Elapsed">The span.</param>
internal readonly record struct ProcessCost(double Processors, TimeSpan GcPauses, TimeSpan Elapsed)
{
    /// <summary>Begins to measure.</summary>
    public static Running Start(TimeProvider time) => new(time.GetTimestamp(), CpuTime(), GC.GetTotalPauseDuration());

    private static TimeSpan CpuTime() =>
        OperatingSystem.IsBrowser() || OperatingSystem.IsIOS() || OperatingSystem.IsTvOS() ? default : Environment.CpuUsage.TotalTime;

    /// <summary>A measurement that has begun.</summary>
    internal readonly record struct Running(long Timestamp, TimeSpan Cpu, TimeSpan Pauses)
    {
        /// <summary>Ends it.</summary>
        public ProcessCost Stop(TimeProvider time)
        {
            var elapsed = time.GetElapsedTime(Timestamp);
            var processors = elapsed > TimeSpan.Zero ? (CpuTime() - Cpu) / elapsed : 0;
            return new ProcessCost(processors, GC.GetTotalPauseDuration() - Pauses, elapsed);
        }
    }
}
