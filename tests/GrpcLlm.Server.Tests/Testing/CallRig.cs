using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace GrpcLlm.Server.Tests.Testing;

/// <summary>One call with everything around it replaced: time, transport, backend.</summary>
internal sealed class CallRig : IDisposable
{
    private readonly FakeMeterFactory _meters = new();
    private readonly CancellationTokenSource _client = new();
    private readonly StreamReset _reset;

    public CallRig(GenerateRequest? request = null, TimeSpan? stallTimeout = null, TimeSpan? budget = null)
    {
        Request = request ?? new GenerateRequest { Prompt = "p" };
        Record = new GenerationRecord(new CallClock(Time), "request-1") { Model = "m", Backend = "b" };
        States = new CallStates(new ServerMetrics(_meters));
        States.Accept();
        Lifetime = new CallLifetime(budget, Time, _client.Token);
        Http.Features.Set<IHttpResetFeature>(Reset);
        Http.Features.Set<IHttpResponseBodyFeature>(Body);
        _reset = new StreamReset(Http, Lifetime);
        Writer = new ChunkWriter(Stream, Http.Response, _reset, Record, States, stallTimeout ?? TimeSpan.Zero);
        Relay = new TokenRelay(Request, Writer, Record, Lifetime);
        Events = new ScriptedEvents(Lifetime.Token);
    }

    public FakeTimeProvider Time { get; } = new();

    public GenerateRequest Request { get; }

    public GenerationRecord Record { get; }

    public CallStates States { get; }

    public CallLifetime Lifetime { get; }

    public DefaultHttpContext Http { get; } = new();

    public ResetFeature Reset { get; } = new();

    public FakeChunkStream Stream { get; } = new();

    /// <summary>What flushes of gathered messages reach.</summary>
    public FakeResponseBody Body { get; } = new();

    public ChunkWriter Writer { get; }

    public TokenRelay Relay { get; }

    /// <summary>What the backend says behind its first event.</summary>
    public ScriptedEvents Events { get; }

    public IReadOnlyList<TokenChunk> Messages => Stream.Messages;

    /// <summary>All text sent.</summary>
    public string Text => string.Concat(Messages.Select(static message => message.Text));

    public static BackendEvent Stop { get; } = BackendEvent.Finished(new BackendEnding(FinishReason.Stop));

    /// <summary>Relays an answer that begins with these events, on a tenant's count; throws the failure that it ends with.</summary>
    public async Task RunAsync(TokenMeter? meter, params BackendEvent[] atHand)
    {
        if (await Relay.RunAsync(new OpenedAnswer(atHand, Record.Clock.ElapsedMicroseconds, Events), meter) is { } failure)
            throw failure;
    }

    /// <summary>Relays an answer that begins with these events; throws the failure that it ends with.</summary>
    public Task RunAsync(params BackendEvent[] atHand) => RunAsync(meter: null, atHand);

    public void ClientLeaves() => _client.Cancel();

    public void Dispose()
    {
        Writer.Dispose();
        _reset.Dispose();
        Lifetime.Dispose();
        _client.Dispose();
        _meters.Dispose();
    }

    internal sealed class ResetFeature : IHttpResetFeature
    {
        public List<int> Codes { get; } = [];

        public Action? OnReset { get; set; }

        public void Reset(int errorCode)
        {
            Codes.Add(errorCode);
            OnReset?.Invoke();
        }
    }
}
