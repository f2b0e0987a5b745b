using System.Globalization;
using System.Runtime.InteropServices;

namespace GrpcLlm.Benchmarks;

/// <summary>What a reader must know of the machine; no name of it, no path.</summary>
internal static class MachineFacts
{
    /// <summary>The facts, one line each.</summary>
    public static string Describe()
    {
        var processor = Field("/proc/cpuinfo", "model name") ?? "unknown processor";
        var memory = Field("/proc/meminfo", "MemTotal") is { } text
            ? double.Parse(text.Split(' ')[0], CultureInfo.InvariantCulture) / (1024 * 1024) : double.NaN;
        var load = File.Exists("/proc/loadavg") ? File.ReadAllText("/proc/loadavg").Split(' ')[0] : "unknown";
        return $"""
            - {Environment.ProcessorCount} cores ({processor}), {RuntimeInformation.ProcessArchitecture}; {Report.Number(memory, 0)} GiB of memory
            - {RuntimeInformation.OSDescription}; {RuntimeInformation.FrameworkDescription}, workstation garbage collector
            - load of the machine (mean of a minute) before the first benchmark: {load}
            """;
    }

    private static string? Field(string file, string name) => File.Exists(file)
        ? File.ReadLines(file).FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))?.Split(':', 2)[1].Trim()
        : null;
}
