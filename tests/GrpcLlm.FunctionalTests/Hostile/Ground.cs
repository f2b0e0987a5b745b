using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Google.Protobuf;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;
using Microsoft.Extensions.DependencyInjection;

namespace GrpcLlm.FunctionalTests.Hostile;

/// <summary>
/// A server under attack, and a good client in the middle of a stream on a connection of its own. The backend of every
/// other call is silent until it is cancelled, and counted. Time stands still, so that how long a busy machine takes for an
/// attack decides nothing.
/// </summary>
internal sealed class Ground : IAsyncDisposable
{
    private static readonly byte[] Good = new GenerateRequest { Prompt = "good" }.ToByteArray();

    private readonly TaskCompletionSource _attackOver = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<bool> _starts = Channel.CreateUnbounded<bool>();
    private RawHttp2Connection _goodConnection = null!;
    private RawHttp2Stream _goodStream = null!;
    private int _started;
    private int _ended;

    /// <summary>The server under attack.</summary>
    public LlmServer Server { get; private set; } = null!;

    /// <summary>Calls to a backend that an attack has caused.</summary>
    public int Started => Volatile.Read(ref _started);

    /// <summary>How many of them still run.</summary>
    public int Running => Started - Volatile.Read(ref _ended);

    /// <summary>Completes when the next of them has begun.</summary>
    public Task NextStartAsync() => _starts.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask();

    public static async Task<Ground> StartAsync(params string[] settings)
    {
        var ground = new Ground();
        ground.Server = await LlmServer.StartAsync(
            new ScriptedBackend(ground.Play), static builder => builder.Services.AddSingleton<TimeProvider>(new HeldTime()), settings);
        ground._goodConnection = await RawHttp2Connection.ConnectAsync(ground.Server.Address);
        ground._goodStream = await ground._goodConnection.CallAsync(Paths.Generate, Good);
        await ground._goodStream.NextAsync();
        return ground;
    }

    /// <summary>A hostile connection that has begun as HTTP/2 does.</summary>
    public Task<RawHttp2Connection> AttackAsync(int streamWindow = 65_535) =>
        RawHttp2Connection.ConnectAsync(Server.Address, streamWindow);

    /// <summary>
    /// Nothing of the attack is left: no backend call, no place taken, no live call, no error of the server's own; the
    /// good client gets the rest of its stream, and another one whole.
    /// </summary>
    public async Task ShouldBeUnharmedAsync()
    {
        var token = TestContext.Current.CancellationToken;
        await Eventually.IsAsync(() => Running == 0);
        _attackOver.SetResult();

        var rest = await _goodStream.Ended.WaitAsync(token);
        rest.Status.ShouldBe(StatusCode.OK);
        rest.Text.ShouldBe("begin, end");
        var another = await (await _goodConnection.CallAsync(Paths.Generate, Good)).Ended.WaitAsync(token);
        another.Text.ShouldBe("begin, end");

        await Eventually.IsAsync(() => Server.Metrics.Active == 0);
        await Eventually.IsAsync(() => Server.Services.GetRequiredService<LiveCalls>().Count == 0);
        await Eventually.IsAsync(() => Server.Services.GetRequiredService<AdmissionQueue>().Load is { Running: 0, Waiting: 0 });
        Server.Logs.Errors.ShouldBeEmpty();
    }

    public async ValueTask DisposeAsync()
    {
        _attackOver.TrySetResult();
        await _goodConnection.DisposeAsync();
        await Server.DisposeAsync();
    }

    private async IAsyncEnumerable<BackendEvent> Play(BackendCall call, [EnumeratorCancellation] CancellationToken token)
    {
        var prompt = call.Request.Prompt;
        if (prompt == "good")
        {
            yield return BackendEvent.TextDelta("begin");
            await _attackOver.Task.WaitAsync(token);
            yield return BackendEvent.TextDelta(", end");
            yield return BackendEvent.Finished(new BackendEnding(FinishReason.Stop));
            yield break;
        }

        Interlocked.Increment(ref _started);
        _starts.Writer.TryWrite(true);
        try
        {
            if (prompt == "long")
            {
                var word = BackendEvent.TextDelta(new string('w', 1000));
                for (var count = 0; count < 10_000; count++) yield return word;
            }

            if (prompt != "silent") yield return BackendEvent.TextDelta("first");
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token);
        }
        finally
        {
            Interlocked.Increment(ref _ended);
        }
    }
}
