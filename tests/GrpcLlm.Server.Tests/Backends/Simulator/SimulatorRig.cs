using System.Collections.ObjectModel;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Simulator;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Simulator;

/// <summary>A simulator whose clock a test moves.</summary>
internal sealed class SimulatorRig
{
    public SimulatorRig(SimulatorOptions options) => Backend = new SimulatorBackend("sim", options, Time);

    public FakeTimeProvider Time { get; } = new();

    public SimulatorBackend Backend { get; }

    /// <summary>Metadata of one key.</summary>
    public static Dictionary<string, string> Choosing(string key, string value) => new() { [key] = value };

    /// <summary>Begins a call.</summary>
    public IAsyncEnumerator<BackendEvent> Start(
        uint? tokens = null, long? seed = null, IReadOnlyDictionary<string, string>? metadata = null,
        CancellationTokenSource? source = null)
    {
        var token = source?.Token ?? TestContext.Current.CancellationToken;
        var request = new GenerateRequest { Prompt = "p" };
        if (tokens is { } most) request.Limits = new GenerationLimits { MaxOutputTokens = most };
        if (seed is { } chosen) request.Sampling = new SamplingOptions { Seed = chosen };
        var call = new BackendCall(request, "m") { Metadata = metadata ?? ReadOnlyDictionary<string, string>.Empty };
        return Backend.GenerateAsync(call, token).GetAsyncEnumerator(token);
    }

    /// <summary>Begins a call and reads to its first event that is no place in the queue.</summary>
    public async Task<IAsyncEnumerator<BackendEvent>> OpenAsync(
        uint? tokens = null, long? seed = null, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var events = Start(tokens, seed, metadata);
        (await events.MoveNextAsync()).ShouldBeTrue();
        events.Current.Kind.ShouldBe(BackendEventKind.Opened);
        return events;
    }

    /// <summary>Reads a call that takes no time to its end, good or bad.</summary>
    public async Task<(List<BackendEvent> Events, BackendException? Failure)> ReadAsync(
        uint? tokens = null, long? seed = null, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var read = new List<BackendEvent>();
        await using var events = Start(tokens, seed, metadata);
        try
        {
            while (await events.MoveNextAsync()) read.Add(events.Current);
            return (read, null);
        }
        catch (BackendException failure)
        {
            return (read, failure);
        }
    }

    /// <summary>The next event comes after this time, and not a millisecond earlier.</summary>
    public async Task<BackendEvent> ComesAfterAsync(IAsyncEnumerator<BackendEvent> events, double milliseconds)
    {
        var next = await EndsAfterAsync(events, milliseconds);
        (await next).ShouldBeTrue();
        return events.Current;
    }

    /// <summary>Likewise, whether it is an event or a failure.</summary>
    public async Task<Task<bool>> EndsAfterAsync(IAsyncEnumerator<BackendEvent> events, double milliseconds)
    {
        var next = events.MoveNextAsync().AsTask();
        Time.Advance(TimeSpan.FromMilliseconds(milliseconds) - TimeSpan.FromMicroseconds(1));
        next.IsCompleted.ShouldBeFalse();
        Time.AdvanceMicroseconds(1);
        await Task.WhenAny(next);
        return next;
    }
}
