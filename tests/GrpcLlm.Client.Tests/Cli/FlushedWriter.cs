namespace GrpcLlm.Client.Tests.Cli;

/// <summary>A writer that tells when text was flushed, or fails like a closed pipe.</summary>
internal sealed class FlushedWriter : StringWriter
{
    private readonly TaskCompletionSource _flushed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes with the first flush after text.</summary>
    public Task Flushed => _flushed.Task;

    public bool IsClosed { get; init; }

    public override Task FlushAsync()
    {
        if (GetStringBuilder().Length == 0) return Task.CompletedTask;
        _flushed.TrySetResult();
        return IsClosed ? throw new IOException("Broken pipe") : Task.CompletedTask;
    }
}
