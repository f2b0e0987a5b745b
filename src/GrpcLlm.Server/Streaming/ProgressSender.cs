using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Streaming;

/// <summary>
/// Sends progress messages until the first token is at hand: at once, on every change, and at least every
/// <see cref="Interval"/>, since proxies cut streams that stay silent.
/// </summary>
internal sealed class ProgressSender(
    ChunkWriter writer, CallProgress progress, CallLifetime lifetime, TimeProvider timeProvider)
{
    /// <summary>Longest silence.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    /// <summary>Sends until the task completes, however it does; its result is the caller's.</summary>
    public async Task SendUntilAsync(Task opening)
    {
        using var over = new CancellationTokenSource();
        try
        {
            while (!opening.IsCompleted)
            {
                var (current, changed) = progress.Read();
                if (writer.Start(new TokenChunk { Progress = current }) is null) await writer.SettleAsync();
                await Task.WhenAny(opening, changed, Task.Delay(Interval, timeProvider, over.Token));
            }
        }
        catch (CallFailureException exception)
        {
            // The client is gone; the opening ends through the lifetime and tells how.
            lifetime.Stop(exception.Reason == ErrorReason.ClientStalled ? StopCause.ClientStalled : StopCause.ClientGone);
        }
        finally
        {
            await over.CancelAsync();
        }
    }
}
