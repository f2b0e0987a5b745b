using System.Runtime.CompilerServices;
using System.Threading.Channels;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>A backend that plays what a test says and tells what happened to it.</summary>
internal sealed class ScriptedBackend(Func<BackendCall, CancellationToken, IAsyncEnumerable<BackendEvent>> play) : IBackend
{
    private readonly Channel<ScriptedRun> _runs = Channel.CreateUnbounded<ScriptedRun>();

    public bool ReadsMetadata => true;

    public string Name => "scripted";

    public string Kind => "simulator";

    /// <summary>Plays fixed events.</summary>
    public static ScriptedBackend Of(params BackendEvent[] events) => new((_, _) => Play(events));

    /// <summary>Text deltas and a natural end.</summary>
    public static ScriptedBackend Text(params string[] deltas) => Of(
        [.. deltas.Select(static delta => BackendEvent.TextDelta(delta)), BackendEvent.Finished(new BackendEnding(FinishReason.Stop))]);

    /// <summary>Endless text, a token for every read.</summary>
    public static ScriptedBackend Endless(string delta = " word") => new((_, token) => PlayEndless(delta, token));

    /// <summary>Some events, then silence until cancelled.</summary>
    public static ScriptedBackend Silent(params BackendEvent[] events) => new((_, token) => PlayThenWait(events, token));

    /// <summary>The next run that began.</summary>
    public ValueTask<ScriptedRun> NextRunAsync() => _runs.Reader.ReadAsync(TestContext.Current.CancellationToken);

    public BackendModel Describe(string model) => new() { Description = "Plays a script." };

    public void FindUnsupported(GenerateRequest request, string model, Violations violations)
    {
    }

    public async IAsyncEnumerable<BackendEvent> GenerateAsync(
        BackendCall call, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var run = new ScriptedRun();
        _runs.Writer.TryWrite(run);
        try
        {
            await foreach (var one in play(call, cancellationToken).WithCancellation(cancellationToken))
            {
                run.NoteEvent();
                yield return one;
            }
        }
        finally
        {
            run.NoteEnd();
        }
    }

    public ValueTask<InputTokenCount> CountInputTokensAsync(BackendCall call, CancellationToken cancellationToken) =>
        ValueTask.FromResult(new InputTokenCount(7, UsageSource.Counted));

    private static async IAsyncEnumerable<BackendEvent> Play(BackendEvent[] events)
    {
        foreach (var one in events)
        {
            await Task.CompletedTask;
            yield return one;
        }
    }

    private static async IAsyncEnumerable<BackendEvent> PlayEndless(
        string delta, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            await Task.Yield();
            cancellationToken.ThrowIfCancellationRequested();
            yield return BackendEvent.TextDelta(delta);
        }
    }

    private static async IAsyncEnumerable<BackendEvent> PlayThenWait(
        BackendEvent[] events, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var one in events) yield return one;
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
    }
}

/// <summary>One run of a script.</summary>
internal sealed class ScriptedRun
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _events;

    /// <summary>Events that were read so far.</summary>
    public int Events => Volatile.Read(ref _events);

    /// <summary>Completes when the run is over: played, cancelled or disposed.</summary>
    public Task Ended => _ended.Task;

    public void NoteEvent() => Interlocked.Increment(ref _events);

    public void NoteEnd() => _ended.TrySetResult();
}
