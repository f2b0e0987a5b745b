using System.Threading.Channels;
using GrpcLlm.Server.Backends;

namespace GrpcLlm.Server.Tests.Testing;

/// <summary>
/// Events of a backend as a test writes them: those given are at hand at once; later ones may be
/// added while it is read. Counts what was pulled.
/// </summary>
internal sealed class ScriptedEvents : IAsyncEnumerator<BackendEvent>
{
    private readonly Channel<Func<BackendEvent?>> _steps = Channel.CreateUnbounded<Func<BackendEvent?>>();
    private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationToken _cancellationToken;

    public ScriptedEvents(CancellationToken cancellationToken, params IEnumerable<BackendEvent> events)
    {
        _cancellationToken = cancellationToken;
        foreach (var one in events) Add(one);
    }

    public BackendEvent Current { get; private set; }

    /// <summary>Events given out.</summary>
    public int Pulled { get; private set; }

    /// <summary>Times it was disposed.</summary>
    public int Disposed { get; private set; }

    /// <summary>Completes when it is disposed.</summary>
    public Task WhenDisposed => _disposed.Task;

    public ScriptedEvents Add(BackendEvent one) => Add(() => one);

    public ScriptedEvents Do(Action action) => Add(() =>
    {
        action();
        return null;
    });

    public ScriptedEvents Fail(Exception exception) => Add(() => throw exception);

    public ScriptedEvents End()
    {
        _steps.Writer.Complete();
        return this;
    }

    public async ValueTask<bool> MoveNextAsync()
    {
        Disposed.ShouldBe(0, "a disposed enumerator was read");
        while (await _steps.Reader.WaitToReadAsync(_cancellationToken))
        {
            _cancellationToken.ThrowIfCancellationRequested();
            if (!_steps.Reader.TryRead(out var step) || step() is not { } next) continue;
            Current = next;
            Pulled++;
            return true;
        }

        return false;
    }

    public ValueTask DisposeAsync()
    {
        Disposed++;
        _disposed.TrySetResult();
        return ValueTask.CompletedTask;
    }

    private ScriptedEvents Add(Func<BackendEvent?> step)
    {
        _steps.Writer.TryWrite(step).ShouldBeTrue();
        return this;
    }
}
