using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Resilience;

/// <summary>How a call of the property test behaves.</summary>
internal enum Behaviour
{
    Patient,
    Progress,
    CancelsWhileReading,
    CancelsAtAnyTime,
    HasDeadline,
    HasBudget,
    IsCancelledByName,
}

/// <summary>One call of the property test, drawn from a seed, and what its client saw of it.</summary>
internal sealed class FaultyCall
{
    private readonly Random _random;

    public FaultyCall(int seed, int number)
    {
        Number = number;
        _random = new Random(unchecked((seed * 48_271) + number));
        Behaviour = _random.Next(100) switch
        {
            < 70 => Behaviour.Patient,
            < 78 => Behaviour.Progress,
            < 84 => Behaviour.CancelsWhileReading,
            < 89 => Behaviour.CancelsAtAnyTime,
            < 93 => Behaviour.HasDeadline,
            < 97 => Behaviour.HasBudget,
            _ => Behaviour.IsCancelledByName,
        };
    }

    public int Number { get; }

    public Behaviour Behaviour { get; }

    public string RequestId => $"call-{Number}";

    /// <summary>The messages that came.</summary>
    public List<TokenChunk> Chunks { get; } = [];

    /// <summary>The status that it ended with.</summary>
    public Status Status { get; private set; }

    /// <summary>The trailers; empty where the client had left.</summary>
    public Metadata Trailers { get; private set; } = [];

    /// <summary>Whether the client may have left before the server was done.</summary>
    public bool MayHaveLeft => Behaviour is Behaviour.CancelsWhileReading or Behaviour.CancelsAtAnyTime or Behaviour.HasDeadline;

    public string Text => string.Concat(Chunks.Select(static chunk => chunk.Text));

    public long Tokens => Chunks.Sum(static chunk => chunk.TokenCount);

    public GenerationSummary? Summary =>
        Trailers.GetValueBytes("generation-summary-bin") is { } bytes ? GenerationSummary.Parser.ParseFrom(bytes) : null;

    /// <summary>Makes the call and reads it to its end.</summary>
    public async Task RunAsync(LlmServer server, CancellationToken cancellationToken)
    {
        var request = new GenerateRequest { Prompt = $"call {Number}.", RequestId = RequestId };
        if (Behaviour == Behaviour.Progress) request.Output = new OutputOptions { Progress = true };
        if (Behaviour == Behaviour.HasBudget)
            request.Limits = new GenerationLimits { TimeBudget = Duration.FromTimeSpan(SomeTime(1, 150)) };
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (Behaviour == Behaviour.CancelsAtAnyTime) leaving.CancelAfter(SomeTime(0, 60));
        var deadline = Behaviour == Behaviour.HasDeadline
            ? TimeProvider.System.GetUtcNow().UtcDateTime + SomeTime(5, 150)
            : (DateTime?)null;
        using var call = server.Client.Generate(request, deadline: deadline, cancellationToken: leaving.Token);
        var readsLeft = Behaviour is Behaviour.CancelsWhileReading or Behaviour.IsCancelledByName ? _random.Next(1, 6) : -1;
        try
        {
            while (await call.ResponseStream.MoveNext(CancellationToken.None))
            {
                Chunks.Add(call.ResponseStream.Current);
                if (--readsLeft != 0) continue;
                if (Behaviour == Behaviour.CancelsWhileReading) await leaving.CancelAsync();
                else await server.Client.CancelGenerationAsync(new CancelGenerationRequest { RequestId = RequestId }, cancellationToken: cancellationToken);
            }

            Status = call.GetStatus();
            Trailers = call.GetTrailers();
        }
        catch (RpcException exception)
        {
            Status = exception.Status;
            Trailers = exception.Trailers;
        }
    }

    public override string ToString() =>
        $"call {Number} ({Behaviour}): {Status}, {Chunks.Count} chunks, {Tokens} tokens, {Summary}";

    private TimeSpan SomeTime(int from, int to) => TimeSpan.FromMilliseconds(_random.Next(from, to));
}
