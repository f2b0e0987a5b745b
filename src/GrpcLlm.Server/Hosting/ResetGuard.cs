using System.Runtime.CompilerServices;
using GrpcLlm.Server.Telemetry;
using Microsoft.AspNetCore.Connections.Features;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// Ends connections that begin calls only to break them off: rapid reset (CVE-2023-44487), and MadeYouReset
/// (CVE-2025-8671), where the client provokes the server to. HTTP/2 counts such a stream as closed at once, so its limit
/// on open streams does not bound them, and each may have cost a call to a backend. Kestrel bounds what it keeps of them,
/// not how many there are. Thread-safe.
/// </summary>
/// <remarks>
/// A call counts that was broken off before anything was sent, within <see cref="Early"/>. Who hedges breaks off every
/// other call at most; so a connection is ended for more than three in four.
/// </remarks>
internal sealed class ResetGuard
{
    /// <summary>A call that its client gives up is given up later than that.</summary>
    public static readonly TimeSpan Early = TimeSpan.FromSeconds(1);

    /// <summary>Calls of a connection that are judged together.</summary>
    public const int Window = 512;

    /// <summary>Most of them that may be broken off.</summary>
    public const int MaxBroken = Window * 3 / 4;

    private readonly ConditionalWeakTable<IConnectionLifetimeFeature, Counts> _connections = [];

    /// <summary>Counts how a call ended.</summary>
    /// <param name="context">The call.</param>
    /// <param name="clock">Its clock.</param>
    public void CallEnded(HttpContext context, CallClock clock)
    {
        if (context.Features.Get<IConnectionLifetimeFeature>() is not { } connection) return;
        var broken = context.RequestAborted.IsCancellationRequested && !context.Response.HasStarted
            && clock.ElapsedMicroseconds < Early.TotalMicroseconds;
        if (_connections.GetValue(connection, static _ => new Counts()).IsTooMuch(broken)) connection.Abort();
    }

    private sealed class Counts
    {
        private int _calls;
        private int _broken;

        public bool IsTooMuch(bool broken)
        {
            var tooMuch = broken && Interlocked.Increment(ref _broken) > MaxBroken;
            if (Interlocked.Increment(ref _calls) % Window == 0) Volatile.Write(ref _broken, 0);
            return tooMuch;
        }
    }
}
