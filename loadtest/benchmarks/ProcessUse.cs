using System.Globalization;
using System.Runtime.InteropServices;

namespace GrpcLlm.Benchmarks;

/// <summary>What a process and its children use, as Linux tells it (proc(5), clock_gettime(2)).</summary>
internal static partial class ProcessUse
{
    // CPUCLOCK_SCHED in the kernel's encoding of the clock of another process, as clock_getcpuclockid(3) makes it.
    private const int ScheduledTime = 2;

    /// <summary>Processor time since its start, user and kernel, to the nanosecond (/proc counts in 10 ms).</summary>
    public static TimeSpan ProcessorTime(int id) =>
        TimeSpan.FromMicroseconds(Family(id).Sum(static one => Microseconds(one)));

    /// <summary>Bytes of memory in use (VmRSS).</summary>
    public static long ResidentBytes(int id) => Family(id).Sum(static one => Number($"/proc/{one}/status", "VmRSS:")) * 1024;

    /// <summary>Times that a thread of it has given up its processor to wait, threads that have ended left out.</summary>
    public static long VoluntarySwitches(int id) => Directory.EnumerateDirectories($"/proc/{id}/task").Sum(
        static task => Number(Path.Combine(task, "status"), "voluntary_ctxt_switches:"));

    private static List<int> Family(int id)
    {
        var children = $"/proc/{id}/task/{id}/children";
        var all = new List<int> { id };
        if (!File.Exists(children)) return all;
        foreach (var child in File.ReadAllText(children).Split(' ', StringSplitOptions.RemoveEmptyEntries))
            all.Add(int.Parse(child, CultureInfo.InvariantCulture));
        return all;
    }

    private static double Microseconds(int id) => clock_gettime((~id << 3) | ScheduledTime, out var time) == 0
        ? (time.Seconds * 1e6) + (time.Nanoseconds / 1e3)
        : throw new InvalidOperationException($"The processor time of process {id} cannot be read.");

    private static long Number(string file, string name)
    {
        var line = File.ReadLines(file).First(one => one.StartsWith(name, StringComparison.Ordinal));
        return long.Parse(line[name.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
    }

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int clock_gettime(int clock, out Timespec time);

    [StructLayout(LayoutKind.Sequential)]
    private struct Timespec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
