using System.Globalization;
using System.Net.Sockets;
using System.Text;

/// <summary>
/// Runs in a measured server before its own code, where <c>DOTNET_STARTUP_HOOKS</c> names this assembly: tells whoever
/// connects to a socket of the process what the runtime has counted so far. So both the service and the yardstick are
/// counted in the same way, and neither knows. The name and the place (no namespace) are the runtime's.
/// </summary>
internal static class StartupHook
{
    /// <summary>The socket of a process; of a name that is no file (unix(7), abstract).</summary>
    public static UnixDomainSocketEndPoint EndPointOf(int process) =>
        new($"\0grpcllm-counts-{process}");

    /// <summary>Begins to count and to tell.</summary>
    public static void Initialize() => new Thread(Serve) { IsBackground = true, Name = "counts" }.Start();

    private static void Serve()
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(EndPointOf(Environment.ProcessId));
        listener.Listen();
        while (true)
        {
            using var connection = listener.Accept();
            connection.Send(Encoding.ASCII.GetBytes(string.Create(
                CultureInfo.InvariantCulture,
                $"{GC.GetTotalAllocatedBytes(precise: true)} {ThreadPool.CompletedWorkItemCount}")));
        }
    }
}
