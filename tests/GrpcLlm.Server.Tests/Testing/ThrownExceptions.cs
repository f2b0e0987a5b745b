using System.Diagnostics;
using System.Runtime.ExceptionServices;
using GrpcLlm.Server.Backends;

namespace GrpcLlm.Server.Tests.Testing;

/// <summary>
/// Counts the exceptions that are thrown in the flow of control that made it, and in those that begin there, until it is
/// disposed. One for each frame that throws, or awaits what has failed. Thread-safe.
/// </summary>
internal sealed class ThrownExceptions : IDisposable
{
    // Flows with the call, so that other tests of the process are not counted.
    private static readonly AsyncLocal<ThrownExceptions?> Current = new();

    private int _all;
    private int _own;

    public ThrownExceptions()
    {
        Current.Value = this;
        AppDomain.CurrentDomain.FirstChanceException += Count;
    }

    /// <summary>Those of anybody.</summary>
    public int All => Volatile.Read(ref _all);

    /// <summary>Those of the service's own code.</summary>
    public int Own => Volatile.Read(ref _own);

    public void Dispose() => AppDomain.CurrentDomain.FirstChanceException -= Count;

    private void Count(object? sender, FirstChanceExceptionEventArgs arguments)
    {
        if (Current.Value != this) return;
        Interlocked.Increment(ref _all);

        // Below the runtime's own frames is the one that throws, or awaits what has failed.
        var runtime = typeof(object).Assembly;
        var thrower = new StackTrace(skipFrames: 1).GetFrames()
            .Select(static frame => frame.GetMethod()?.DeclaringType?.Assembly).FirstOrDefault(assembly => assembly is not null && assembly != runtime);
        if (thrower == typeof(IBackend).Assembly) Interlocked.Increment(ref _own);
    }
}
