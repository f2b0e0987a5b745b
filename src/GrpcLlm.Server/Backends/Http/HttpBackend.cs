using System.Runtime.CompilerServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// A backend behind HTTP, whatever its kind: sends the request, reads the stream, keeps the timeouts, stops at once when
/// told to, and turns everything that goes wrong into a <see cref="BackendException"/>. Thread-safe.
/// </summary>
internal sealed class HttpBackend : IBackend, IAsyncDisposable
{
    // Text of any script and base64 as they are: the body is sent as JSON, never put into a page.
    private static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Provider _provider;
    private readonly HttpBackendOptions _options;
    private readonly HttpMessageInvoker _http;
    private readonly UpstreamRequests[] _upstreams;
    private readonly ModelKnowledge _models;

    /// <param name="name">Name in configuration.</param>
    /// <param name="provider">What is particular to its kind.</param>
    /// <param name="options">Valid by their annotations.</param>
    /// <param name="timeProvider">Clock of the timeouts.</param>
    public HttpBackend(string name, Provider provider, HttpBackendOptions options, TimeProvider timeProvider)
        : this(name, provider, options, UpstreamRequests.Connect(options), timeProvider)
    {
    }

    /// <param name="name">Name in configuration.</param>
    /// <param name="provider">What is particular to its kind.</param>
    /// <param name="options">Valid by their annotations.</param>
    /// <param name="http">Sends; disposed with the backend.</param>
    /// <param name="timeProvider">Clock of the timeouts.</param>
    public HttpBackend(
        string name, Provider provider, HttpBackendOptions options, HttpMessageInvoker http, TimeProvider timeProvider)
    {
        Name = name;
        _provider = provider;
        _options = options;
        Address = new Uri(options.BaseUrl);
        _http = http;
        Keys = [.. options.ApiKeys.Select(static (source, index) => new ApiKey(source, index))];
        _upstreams = Keys.Count == 0
            ? [new UpstreamRequests(_http, provider, options, key: null, timeProvider)]
            : [.. Keys.Select(key => new UpstreamRequests(_http, provider, options, key, timeProvider))];
        _models = new ModelKnowledge(timeProvider);
    }

    public string Name { get; }

    public string Kind => _provider.Kind;

    public string ProviderName => _provider.ProviderName;

    public Uri Address { get; }

    public IReadOnlyList<ApiKey> Keys { get; }

    public BackendModel Describe(string model) => _models.Find(model) ?? _provider.Describe(model);

    public ValueTask LearnAsync(string model, ApiKey? key, CancellationToken cancellationToken) =>
        _models.LearnAsync(model, token => _provider.AskModelAsync(model, With(key), token), cancellationToken);

    public void FindUnsupported(GenerateRequest request, string model, Violations violations)
    {
        _provider.FindUnsupported(request, model, violations);
        ProviderOptions.Check(request, _provider, _options.AllowedProviderOptions, violations);
    }

    public async IAsyncEnumerable<BackendEvent> GenerateAsync(
        BackendCall call, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var upstream = With(call.Key);
        await using var exchange = upstream.Begin(cancellationToken);
        BackendEnding? blocked = null;
        try
        {
            if (!await upstream.SendAsync(exchange, _provider.GeneratePath(call), WriteBody(call))) yield break;
        }
        catch (BackendException exception) when (exception.Ending is not null)
        {
            // The provider blocked the prompt instead of answering.
            blocked = exception.Ending;
        }

        if (blocked is not null)
        {
            yield return BackendEvent.Finished(blocked);
            yield break;
        }

        var stream = _provider.OpenStream(call);
        stream.Secret = exchange.Secret;

        // Most events say one thing.
        var output = new List<BackendEvent>(1);
        using var events = new UpstreamEvents(exchange, stream, _provider.Format);
        do
        {
            while (events.TryRead(output))
            {
                foreach (var one in output)
                {
                    if (one.IsDelta) exchange.FirstTokenCame();
                    yield return one;
                }

                output.Clear();
            }
        }
        while (await events.FillAsync());

        if (exchange.IsStopped) yield break;

        stream.Complete(output);
        foreach (var one in output) yield return one;
        exchange.IsComplete = stream.Ending is not null;
        yield return BackendEvent.Finished(stream.Ending
            ?? throw new BackendException(BackendFailure.Truncated, "The backend's answer broke off."));
    }

    public async ValueTask<InputTokenCount> CountInputTokensAsync(BackendCall call, CancellationToken cancellationToken) =>
        await _provider.CountInputTokensAsync(call, With(call.Key), cancellationToken) ?? InputEstimate.Of(call.Request);

    public ValueTask DisposeAsync()
    {
        _http.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>The way with that key; the first where none is named.</summary>
    private UpstreamRequests With(ApiKey? key) =>
        key is null ? _upstreams[0] : Array.Find(_upstreams, upstream => ReferenceEquals(upstream.Key, key))!;

    private RequestBody WriteBody(BackendCall call)
    {
        var body = new RequestBody();
        using (var json = new Utf8JsonWriter(body, WriterOptions))
        {
            json.WriteStartObject();
            _provider.WriteBody(json, call);
            ProviderOptions.Write(json, call.Request, Kind);
            json.WriteEndObject();
        }

        return body;
    }
}
