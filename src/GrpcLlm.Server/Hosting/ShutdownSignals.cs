using System.Runtime.InteropServices;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// Lets a second SIGTERM or SIGINT end the process at once; the first one begins the drain, which is the host's own doing.
/// Thread-safe.
/// </summary>
internal sealed class ShutdownSignals : IDisposable
{
    private readonly Action<int> _exit;
    private readonly PosixSignalRegistration[] _registrations;
    private int _seen;

    /// <param name="exit">Ends the process with a code. Never returns.</param>
    public ShutdownSignals(Action<int> exit)
    {
        _exit = exit;
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => Note(15)),
            PosixSignalRegistration.Create(PosixSignal.SIGINT, _ => Note(2)),
        ];
    }

    /// <summary>Counts a signal; from the second on, ends the process with 128 and its number, as shells tell it.</summary>
    /// <param name="number">Number of the signal.</param>
    public void Note(int number)
    {
        if (Interlocked.Increment(ref _seen) > 1) _exit(128 + number);
    }

    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
    }
}
