using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using GrpcLlm.V1;
using GenerationClient = GrpcLlm.V1.GenerationService.GenerationServiceClient;
using Status = Grpc.Core.Status;

namespace GrpcLlm.FunctionalTests.Resilience;

/// <summary>How a call behaves.</summary>
internal enum Behaviour
{
    Patient,
    Progress,
    CancelsWhileReading,
    CancelsAtAnyTime,
    HasDeadline,
    HasBudget,
    IsCancelledByName,
    ReadsSlowly,
    StopsReading,
    DropsConnection,
}

/// <summary>One call to a model behind a faulty upstream, or to another one, drawn from a seed; and what its client saw.</summary>
internal sealed class FaultyCall
{
    private readonly Random _random;
    private TimeSpan _longestPause;

    private FaultyCall(int number, Random random, Behaviour behaviour)
    {
        Number = number;
        _random = random;
        Behaviour = behaviour;
        Request = new GenerateRequest { Prompt = $"call {number}.", RequestId = RequestId };
        if (Behaviour == Behaviour.Progress) Request.Output = new OutputOptions { Progress = true };
        if (Behaviour == Behaviour.HasBudget)
            Request.Limits = new GenerationLimits { TimeBudget = Duration.FromTimeSpan(SomeTime(1, 150)) };
    }

    public int Number { get; }

    public Behaviour Behaviour { get; }

    /// <summary>What is asked; may be changed before the call is made.</summary>
    public GenerateRequest Request { get; }

    /// <summary>Metadata that goes with it; none by default.</summary>
    public Metadata Metadata { get; } = [];

    public string RequestId => $"call-{Number}";

    /// <summary>The messages that came.</summary>
    public List<TokenChunk> Chunks { get; } = [];

    /// <summary>The status that it ended with.</summary>
    public Status Status { get; private set; }

    /// <summary>The trailers; empty where the client had left.</summary>
    public Metadata Trailers { get; private set; } = [];

    /// <summary>Whether the server was stopped or not yet started at some time while the call ran.</summary>
    public bool MetRestart { get; set; }

    /// <summary>The server's <c>Streaming:ClientStallTimeout</c>; its default, 60 s, by default.</summary>
    public TimeSpan ClientStallTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Whether the client may have left before the server was done, or was sent away for not reading: because it stopped, or
    /// because a busy machine did not let it.
    /// </summary>
    public bool MayHaveLeft => Behaviour is Behaviour.CancelsWhileReading or Behaviour.CancelsAtAnyTime or Behaviour.HasDeadline
        or Behaviour.StopsReading or Behaviour.DropsConnection || _longestPause >= ClientStallTimeout;

    public string Text => string.Concat(Chunks.Select(static chunk => chunk.Text));

    public long Tokens => Chunks.Sum(static chunk => chunk.TokenCount);

    public GenerationSummary? Summary =>
        Trailers.GetValueBytes("generation-summary-bin") is { } bytes ? GenerationSummary.Parser.ParseFrom(bytes) : null;

    /// <summary>Draws a call.</summary>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="number">Number of the call.</param>
    /// <param name="traffic">Behaviours by their weights.</param>
    public static FaultyCall Draw(int seed, int number, IReadOnlyList<(Behaviour Behaviour, int Weight)> traffic)
    {
        var random = new Random(unchecked((seed * 48_271) + number));
        var drawn = random.Next(traffic.Sum(static one => one.Weight));
        foreach (var (behaviour, weight) in traffic)
        {
            drawn -= weight;
            if (drawn < 0) return new FaultyCall(number, random, behaviour);
        }

        throw new ArgumentException("No behaviour has a weight.", nameof(traffic));
    }

    /// <summary>Makes the call and reads it to its end.</summary>
    /// <param name="client">The service.</param>
    /// <param name="cancellationToken">Ends the run.</param>
    /// <param name="drop">Breaks the connection of the client; for those that drop it.</param>
    public async Task RunAsync(GenerationClient client, CancellationToken cancellationToken, Action? drop = null)
    {
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (Behaviour == Behaviour.CancelsAtAnyTime) leaving.CancelAfter(SomeTime(0, 60));
        var deadline = Behaviour == Behaviour.HasDeadline
            ? TimeProvider.System.GetUtcNow().UtcDateTime + SomeTime(5, 150)
            : (DateTime?)null;
        using var call = client.Generate(Request, Metadata, deadline, leaving.Token);
        var acts = Behaviour is Behaviour.CancelsWhileReading or Behaviour.IsCancelledByName or Behaviour.DropsConnection or Behaviour.StopsReading;
        var readsLeft = acts ? _random.Next(1, 6) : -1;
        var since = TimeProvider.System.GetTimestamp();
        try
        {
            while (await call.ResponseStream.MoveNext(CancellationToken.None))
            {
                since = NotePause(since);
                Chunks.Add(call.ResponseStream.Current);
                if (Behaviour == Behaviour.ReadsSlowly && Chunks.Count % 64 == 1)
                    await Task.Delay(SomeTime(1, 40), TimeProvider.System, cancellationToken);
                if (--readsLeft == 0) await ActAsync(client, leaving, drop, cancellationToken);
            }

            Status = call.GetStatus();
            Trailers = call.GetTrailers();
        }
        catch (RpcException exception)
        {
            NotePause(since);
            Status = exception.Status;
            Trailers = exception.Trailers;
        }
    }

    public override string ToString() =>
        $"call {Number} ({Behaviour} {Request.Model}): {Status}, {Chunks.Count} chunks, {Tokens} tokens, {Summary}";

    private long NotePause(long since)
    {
        var pause = TimeProvider.System.GetElapsedTime(since);
        if (pause > _longestPause) _longestPause = pause;
        return TimeProvider.System.GetTimestamp();
    }

    private async Task ActAsync(GenerationClient client, CancellationTokenSource leaving, Action? drop, CancellationToken cancellationToken)
    {
        switch (Behaviour)
        {
            case Behaviour.CancelsWhileReading:
                await leaving.CancelAsync();
                break;
            case Behaviour.DropsConnection:
                drop!();
                break;
            case Behaviour.StopsReading:
                await Task.Delay(SomeTime(1000, 6000), TimeProvider.System, cancellationToken);
                break;
            default:
                await client.CancelGenerationAsync(new CancelGenerationRequest { RequestId = RequestId }, cancellationToken: cancellationToken);
                break;
        }
    }

    private TimeSpan SomeTime(int from, int to) => TimeSpan.FromMilliseconds(_random.Next(from, to));
}
