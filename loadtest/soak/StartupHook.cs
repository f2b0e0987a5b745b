using GrpcLlm.Soak;

/// <summary>
/// Runs in the server under test before its own code, where <c>DOTNET_STARTUP_HOOKS</c> names this assembly, and makes it
/// leak: what shows that a soak would tell. The name and the place (no namespace) are the runtime's.
/// </summary>
internal static class StartupHook
{
    private static readonly TimeSpan Every = TimeSpan.FromMilliseconds(100);
    private static readonly List<object> Kept = [];
    private static ITimer? _timer;

    /// <summary>Begins to leak.</summary>
    public static void Initialize() => _timer = TimeProvider.System.CreateTimer(
        static leak => Kept.Add(Take((Leak)leak!)), Enum.Parse<Leak>(Environment.GetEnvironmentVariable(Leaking.Variable)!), Every, Every);

    private static object Take(Leak leak) => leak == Leak.Memory
        ? GC.AllocateArray<byte>(256 * 1024)
        : File.Open("/dev/null", FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
}
