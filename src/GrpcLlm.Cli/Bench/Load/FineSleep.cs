using System.Runtime.InteropServices;

namespace GrpcLlm.Cli.Bench.Load;

/// <summary>
/// Blocks a thread for less than the millisecond in which .NET's timers count: the sleep of the C library, which ends some
/// 60 µs late on an idle Linux and takes no processor meanwhile. Where there is none (Windows), the thread waits in
/// milliseconds and yields through what is left. Only for the one thread that paces an open loop.
/// </summary>
internal static class FineSleep
{
    /// <summary>Sleeps; returns a little late, or early if a signal comes.</summary>
    public static void For(TimeSpan time)
    {
        var microseconds = (uint)Math.Clamp(Math.Ceiling(time.TotalMicroseconds), 1, 999_999);
        if (OperatingSystem.IsWindows()) SleepInMilliseconds(microseconds);
        else _ = usleep(microseconds);
    }

    private static void SleepInMilliseconds(uint microseconds)
    {
        if (microseconds < 1000) Thread.Yield();
        else Thread.CurrentThread.Join((int)(microseconds / 1000));
    }

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int usleep(uint microseconds);
}
