namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>The configured faults with their shares of all answers. Immutable and thread-safe.</summary>
internal sealed class SimulatorFaults(IEnumerable<SimulatorFaultOptions> options)
{
    private readonly (SimulatorFault Fault, double Rate)[] _faults = [.. options.Select(static one => (SimulatorFault.Of(one), one.Rate))];

    /// <summary>The fault of the answer with this seed; always the same.</summary>
    public SimulatorFault Draw(long seed)
    {
        if (_faults.Length == 0) return SimulatorFault.None;

        // A sequence apart from the schedule's, so that a fault more or less changes no times.
        var drawn = new SplitMix64(~seed).NextUnit();
        foreach (var (fault, rate) in _faults)
        {
            drawn -= rate;
            if (drawn < 0) return fault;
        }

        return SimulatorFault.None;
    }
}
