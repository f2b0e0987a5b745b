using System.Globalization;

namespace GrpcLlm.Benchmarks;

/// <summary>What a process and its children use, as Linux tells it (proc(5)).</summary>
internal static class ProcessUse
{
    // sysconf(_SC_CLK_TCK), which is 100 wherever .NET runs on Linux.
    private const double TicksPerSecond = 100;

    /// <summary>Processor time since its start, user and kernel.</summary>
    public static TimeSpan ProcessorTime(int id) =>
        TimeSpan.FromSeconds(Family(id).Sum(static one => Ticks(one)) / TicksPerSecond);

    /// <summary>Bytes of memory in use (VmRSS).</summary>
    public static long ResidentBytes(int id) => Family(id).Sum(static one => Kilobytes(one, "VmRSS:")) * 1024;

    private static List<int> Family(int id)
    {
        var children = $"/proc/{id}/task/{id}/children";
        var all = new List<int> { id };
        if (!File.Exists(children)) return all;
        foreach (var child in File.ReadAllText(children).Split(' ', StringSplitOptions.RemoveEmptyEntries))
            all.Add(int.Parse(child, CultureInfo.InvariantCulture));
        return all;
    }

    private static double Ticks(int id)
    {
        // The name of the program, in parentheses, may hold spaces; utime and stime are fields 14 and 15.
        var stat = File.ReadAllText($"/proc/{id}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return double.Parse(fields[11], CultureInfo.InvariantCulture) + double.Parse(fields[12], CultureInfo.InvariantCulture);
    }

    private static long Kilobytes(int id, string name)
    {
        var line = File.ReadLines($"/proc/{id}/status").First(one => one.StartsWith(name, StringComparison.Ordinal));
        return long.Parse(line[name.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
    }
}
