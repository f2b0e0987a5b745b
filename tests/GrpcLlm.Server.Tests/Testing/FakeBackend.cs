using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Testing;

/// <summary>A backend that says what a test wants.</summary>
internal sealed class FakeBackend(string name) : IBackend, IAsyncEnumerable<BackendEvent>
{
    public string Name => name;

    public string Kind => "fake";

    /// <summary>Its keys.</summary>
    public IReadOnlyList<ApiKey> Keys { get; init; } = [];

    /// <summary>What it knows of any model.</summary>
    public BackendModel Known { get; init; } = new();

    /// <summary>Fields that it cannot honour.</summary>
    public IReadOnlyList<string> Unsupported { get; init; } = [];

    /// <summary>Makes the events of a call.</summary>
    public Func<CancellationToken, IAsyncEnumerator<BackendEvent>> Answer { get; init; } =
        static token => new ScriptedEvents(token).End();

    /// <summary>The call it was last given.</summary>
    public BackendCall? Call { get; private set; }

    /// <summary>Runs when it is asked about a model.</summary>
    public Action Learn { get; init; } = static () => { };

    public BackendModel Describe(string model) => Known;

    public ValueTask LearnAsync(string model, ApiKey? key, CancellationToken cancellationToken)
    {
        Learn();
        return ValueTask.CompletedTask;
    }

    public void FindUnsupported(GenerateRequest request, string model, Violations violations)
    {
        foreach (var field in Unsupported) violations.Add(field, $"is not served by {name}");
    }

    public IAsyncEnumerable<BackendEvent> GenerateAsync(BackendCall call, CancellationToken cancellationToken)
    {
        // A copy: the call itself loses its request with the first token.
        Call = call with { };
        return this;
    }

    public IAsyncEnumerator<BackendEvent> GetAsyncEnumerator(CancellationToken cancellationToken = default) =>
        Answer(cancellationToken);

    public ValueTask<InputTokenCount> CountInputTokensAsync(BackendCall call, CancellationToken cancellationToken) =>
        ValueTask.FromResult(new InputTokenCount(1, UsageSource.Counted));
}
