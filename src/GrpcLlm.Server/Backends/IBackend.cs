using System.Collections.ObjectModel;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends;

/// <summary>
/// A source of generated tokens: a model in this process, or a provider behind a socket. Instances are shared by all
/// calls and thread-safe.
/// </summary>
internal interface IBackend
{
    /// <summary>Name in configuration, as clients see it in <c>Started.backend</c>.</summary>
    string Name { get; }

    /// <summary>Kind in configuration: <c>embedded</c>, <c>simulator</c>, <c>openai</c>, …</summary>
    string Kind { get; }

    /// <summary>Who provides the model, in the words of the semantic conventions (<c>gen_ai.provider.name</c>).</summary>
    string ProviderName => Kind;

    /// <summary>Where it is reached; null where the model runs in this process.</summary>
    Uri? Address => null;

    /// <summary>Keys that a call may use, in the order of configuration; empty where there are none.</summary>
    IReadOnlyList<ApiKey> Keys => [];

    /// <summary>What is known of a model now. Cheap; never blocks, never asks anybody.</summary>
    /// <param name="model">The backend's own name of the model (<c>Routes[].Model</c>).</param>
    BackendModel Describe(string model);

    /// <summary>
    /// Asks the provider what it tells of a model, where it has an endpoint for that and was not asked lately, so that
    /// <see cref="Describe"/> knows it. Never throws for a provider that does not answer: less is known then.
    /// </summary>
    /// <param name="model">The backend's own name of the model.</param>
    /// <param name="key">One of <see cref="Keys"/>; null: the first, if there are any.</param>
    /// <param name="cancellationToken">Ends the asking.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    ValueTask LearnAsync(string model, ApiKey? key, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>
    /// Names every field of a valid request that this backend cannot honour for this model. A route with a violation
    /// is skipped; when all routes are, the caller gets INVALID_REQUEST. Nothing is ever ignored in silence.
    /// </summary>
    void FindUnsupported(GenerateRequest request, string model, Violations violations);

    /// <summary>Whether it looks at <see cref="BackendCall.Metadata"/> at all; else there may be none.</summary>
    bool ReadsMetadata => false;

    /// <summary>
    /// Names every key of <see cref="BackendCall.Metadata"/> that is this backend's and that it does not honour. One
    /// violation refuses the call, whatever its other routes could do. Default: none is its own.
    /// </summary>
    void FindUnsupported(IReadOnlyDictionary<string, string> metadata, Violations violations)
    {
    }

    /// <summary>
    /// Generates one answer. Pull-based: nothing beyond one event is produced ahead of the reader. The sequence ends
    /// with exactly one <see cref="BackendEventKind.Finished"/>; a sequence that ends without one was truncated, or cancelled.
    /// Disposing the enumerator, or cancelling, stops the model at once.
    /// </summary>
    /// <param name="call">
    /// The validated request and what routing added to it. The request is there until the first delta was read, not longer.
    /// </param>
    /// <param name="cancellationToken">Ends the generation; reaches the upstream socket where there is one.</param>
    /// <exception cref="BackendException">The backend failed.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; the sequence may as well just end.</exception>
    IAsyncEnumerable<BackendEvent> GenerateAsync(BackendCall call, CancellationToken cancellationToken);

    /// <summary>Counts the input tokens of a request without generating.</summary>
    /// <exception cref="BackendException">The backend failed.</exception>
    ValueTask<InputTokenCount> CountInputTokensAsync(BackendCall call, CancellationToken cancellationToken);
}

/// <summary>One request on its way to one backend.</summary>
/// <param name="Request">The caller's request, valid by <see cref="RequestValidator"/>. Never modified.</param>
/// <param name="Model">The backend's own name of the model.</param>
internal sealed record BackendCall(GenerateRequest Request, string Model)
{
    private GenerateRequest? _request = Request;

    /// <summary>The caller's request, valid by <see cref="RequestValidator"/>. Never modified.</summary>
    /// <exception cref="InvalidOperationException">It was released.</exception>
    public GenerateRequest Request
    {
        get => _request ?? throw new InvalidOperationException("The request was released with the first token.");
        init => _request = value;
    }

    /// <summary>One of <see cref="IBackend.Keys"/>; null: the first, if there are any.</summary>
    public ApiKey? Key { get; init; }

    /// <summary>Who calls: what one tenant's calls leave behind must not show in another's.</summary>
    public string Tenant { get; init; } = "";

    /// <summary>
    /// The call's metadata that is for backends: the keys that begin with <c>simulate-</c>, in any case. Never
    /// credentials. Empty for most calls.
    /// </summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = ReadOnlyDictionary<string, string>.Empty;

    /// <summary>
    /// Most output tokens, reasoning included; the smaller of the request's and the tenant's limit. Null: the
    /// backend's own limit.
    /// </summary>
    public uint? MaxOutputTokens { get; init; } =
        Request.Limits is { HasMaxOutputTokens: true } limits ? limits.MaxOutputTokens : null;

    /// <summary>
    /// Lets go of the request, of this call and not of its copies: no other attempt follows, and whoever streams the answer
    /// keeps the call.
    /// </summary>
    public void ReleaseRequest() => _request = null;

    // Never the prompt.
    public override string ToString() => Model;
}

/// <summary>A count of input tokens.</summary>
/// <param name="Tokens">The count.</param>
/// <param name="Source">How it was found.</param>
internal readonly record struct InputTokenCount(uint Tokens, UsageSource Source);

/// <summary>What a backend knows of one of its models. Null or empty: not known.</summary>
internal sealed record BackendModel
{
    /// <summary>What it is, honestly, in a sentence or two.</summary>
    public string Description { get; init; } = "";

    /// <summary>Name for people.</summary>
    public string DisplayName { get; init; } = "";

    /// <summary>Who made it.</summary>
    public string Owner { get; init; } = "";

    /// <summary>Tokens that fit input and output together.</summary>
    public uint? ContextWindow { get; init; }

    /// <summary>Most output tokens of one call.</summary>
    public uint? MaxOutputTokens { get; init; }

    /// <summary>What it is known to support.</summary>
    public IReadOnlyList<ModelCapability> Capabilities { get; init; } = [];

    /// <summary>What it takes.</summary>
    public IReadOnlyList<Modality> InputModalities { get; init; } = [];

    /// <summary>What it makes.</summary>
    public IReadOnlyList<Modality> OutputModalities { get; init; } = [];
}
