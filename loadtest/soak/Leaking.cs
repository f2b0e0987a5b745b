namespace GrpcLlm.Soak;

/// <summary>What a server is made to leak.</summary>
internal enum Leak
{
    /// <summary>Nothing: it is as it was built.</summary>
    None,

    /// <summary>256 KiB of the managed heap every 100 ms.</summary>
    Memory,

    /// <summary>A file descriptor every 100 ms.</summary>
    Descriptors,
}

/// <summary>Makes the servers that this process starts leak.</summary>
internal static class Leaking
{
    /// <summary>Environment variable that tells <see cref="StartupHook"/> what.</summary>
    public const string Variable = "GRPCLLM_SOAK_LEAK";

    /// <summary>From here on.</summary>
    public static void Begin(Leak leak)
    {
        if (leak == Leak.None) return;
        Environment.SetEnvironmentVariable(Variable, leak.ToString());
        Environment.SetEnvironmentVariable("DOTNET_STARTUP_HOOKS", typeof(Leaking).Assembly.Location);
    }
}
