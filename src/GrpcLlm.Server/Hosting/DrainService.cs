using GrpcLlm.Server.Admission;
using Microsoft.AspNetCore.Hosting.Server;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// Stops the server without losing a word, while its endpoints still listen:
/// <code>
///   signal ─ Delay ─► no new generations ─ Grace ─► the rest end with DRAINING ─► watchers go ─► connections close
///   readiness false,   they get DRAINING             with their trailers                          GOAWAY
///   Watch NOT_SERVING
/// </code>
/// CancelGeneration, CountTokens, ListModels and health are served until the connections close.
/// </summary>
internal sealed partial class DrainService(
    Deployments deployments, Readiness readiness, LiveCalls liveCalls, AdmissionQueue admission, IServer server,
    TimeProvider time, ILogger<DrainService> logger) : IHostedLifecycleService
{
    /// <summary>Longest wait for generations that were told to end, for their last messages.</summary>
    public static readonly TimeSpan EndingTime = TimeSpan.FromSeconds(5);

    /// <summary>Longest wait for connections to close; then they are broken off.</summary>
    public static readonly TimeSpan ClosingTime = TimeSpan.FromSeconds(5);

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>The drain. Runs before any service is stopped; Kestrel would be the first to go.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        var shutdown = deployments.Current.Options.Shutdown;
        DrainBegan(logger, liveCalls.Count, shutdown.Delay, shutdown.Grace);

        // Without a delay, whoever has heard that this server stops is refused from then on.
        if (shutdown.Delay <= TimeSpan.Zero) Close();
        readiness.Set(ready: false);
        try
        {
            if (shutdown.Delay > TimeSpan.Zero) await Task.Delay(shutdown.Delay, time, cancellationToken);

            Close();
            if (!await EndWithinAsync(shutdown.Grace, cancellationToken))
            {
                GraceOver(logger, liveCalls.StopAll(StopCause.Draining));
                if (!await EndWithinAsync(EndingTime, cancellationToken)) CallsLeft(logger, liveCalls.Count);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Whoever stops the host has no more time; what still runs is told to end before its connection closes.
            Close();
            GraceOver(logger, liveCalls.StopAll(StopCause.Draining));
        }

        // Kestrel waits for open streams, and a watcher would keep its own open for ever.
        readiness.End();
        using var closing = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await using var timer = time.CreateTimer(
            static state => ((CancellationTokenSource)state!).Cancel(), closing, ClosingTime, Timeout.InfiniteTimeSpan);
        await server.StopAsync(closing.Token);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Refuses new generations, and those that wait for a place: another instance takes them sooner.</summary>
    private void Close()
    {
        liveCalls.Close();
        admission.Close();
    }

    private async Task<bool> EndWithinAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        var ended = liveCalls.WhenNone();
        if (ended.IsCompleted) return true;
        try
        {
            await ended.WaitAsync(limit, time, cancellationToken);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    [LoggerMessage(EventId = 20, EventName = "DrainBegan", Level = LogLevel.Information,
        Message = "The server stops: {Running} generations run. New ones are refused after {Delay}, these have {Grace} to finish.")]
    private static partial void DrainBegan(ILogger logger, int running, TimeSpan delay, TimeSpan grace);

    [LoggerMessage(EventId = 21, EventName = "DrainGraceOver", Level = LogLevel.Warning,
        Message = "The grace is over; {Stopped} generations were told to end.")]
    private static partial void GraceOver(ILogger logger, int stopped);

    [LoggerMessage(EventId = 22, EventName = "DrainCallsLeft", Level = LogLevel.Warning,
        Message = "{Left} generations cannot end, since their clients do not read; their connections are closed.")]
    private static partial void CallsLeft(ILogger logger, int left);
}
