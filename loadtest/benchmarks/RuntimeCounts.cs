using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace GrpcLlm.Benchmarks;

/// <summary>What the runtime of a server has counted since its start. These hardly depend on the machine or its load.</summary>
/// <param name="AllocatedBytes">Bytes allocated on the managed heap.</param>
/// <param name="WorkItems">Items that the thread pool has run: hops between threads.</param>
/// <param name="Switches">Times that a thread gave up its processor to wait.</param>
internal readonly record struct RuntimeCounts(double AllocatedBytes, double WorkItems, double Switches)
{
    /// <summary>Makes the servers that are started from here on tell their counts.</summary>
    public static void Enable()
    {
        const string Hooks = "DOTNET_STARTUP_HOOKS";
        var own = typeof(RuntimeCounts).Assembly.Location;
        Environment.SetEnvironmentVariable(
            Hooks, Environment.GetEnvironmentVariable(Hooks) is { Length: > 0 } others ? others + Path.PathSeparator + own : own);
    }

    public static RuntimeCounts operator -(RuntimeCounts later, RuntimeCounts earlier) => new(
        later.AllocatedBytes - earlier.AllocatedBytes, later.WorkItems - earlier.WorkItems, later.Switches - earlier.Switches);

    public static RuntimeCounts operator /(RuntimeCounts sum, double count) =>
        new(sum.AllocatedBytes / count, sum.WorkItems / count, sum.Switches / count);

    /// <summary>Reads the counts of a process that was started after <see cref="Enable"/>.</summary>
    public static RuntimeCounts Of(ServerProcess process)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(StartupHook.EndPointOf(process.Id));
        var buffer = new byte[256];
        var length = socket.Receive(buffer);
        double[] values = [.. Encoding.ASCII.GetString(buffer, 0, length).Split(' ').Select(static one => double.Parse(one, CultureInfo.InvariantCulture))];
        return new RuntimeCounts(values[0], values[1], ProcessUse.VoluntarySwitches(process.Id));
    }
}
