using System.Runtime.InteropServices;
using GrpcLlm.Cli;

using var interrupted = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal =>
{
    // The first Ctrl-C ends the call in good order; with the second one the default applies, and the process goes.
    if (interrupted.IsCancellationRequested) return;
    signal.Cancel = true;
    interrupted.Cancel();
});

var console = CliConsole.System(interrupted.Token);
return await CliHost.RunAsync(args, console, interrupted.Token);
