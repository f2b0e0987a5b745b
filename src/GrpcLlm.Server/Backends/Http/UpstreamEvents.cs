using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Text.Json;
using GrpcLlm.Server.Telemetry;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// Reads the events of an exchange one by one and hands them to a provider's stream. Nothing is read ahead of what is
/// asked for beyond one buffer. Not thread-safe.
/// </summary>
internal sealed class UpstreamEvents : IAsyncDisposable
{
    /// <summary>Most bytes of one event: far above any provider's, and a bound for one that never ends its line.</summary>
    public const int MaxEventBytes = 16 << 20;

    private readonly UpstreamExchange _exchange;
    private readonly ProviderStream _stream;
    private readonly BodyFormat _format;
    private readonly ExchangeBody _body;
    private IAsyncEnumerator<SseItem<bool>>? _events;
    private JsonLineReader? _lines;
    private List<BackendEvent> _output = [];
    private BackendException? _failure;

    public UpstreamEvents(UpstreamExchange exchange, ProviderStream stream, BodyFormat format)
    {
        _exchange = exchange;
        _stream = stream;
        _format = format;
        _body = new ExchangeBody(exchange);
    }

    /// <summary>Reads one event; what it says is appended to the output, and may be nothing.</summary>
    /// <returns>
    /// False at the end, with the stream's ending settled where the provider gave one; or when the exchange
    /// <see cref="UpstreamExchange.IsStopped"/>.
    /// </returns>
    /// <exception cref="BackendException">It failed.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> ReadAsync(List<BackendEvent> output)
    {
        if (_failure is not null) throw _failure;
        _output = output;
        try
        {
            if (_events is null && _lines is null) Begin();
            _body.EventBytes = 0;
            var any = !_stream.IsOver && (_events is not null ? await _events.MoveNextAsync() : await _lines!.ReadAsync(Handle));
            if (_exchange.IsStopped) return false;
            if (any && !_stream.IsOver) return true;
            if (!any && _body.Failure is { } failure) ExceptionDispatchInfo.Throw(failure);
        }
        catch (BackendException exception) when (output.Count > 0)
        {
            // What the event held beside the error goes first: a last piece of text, the usage.
            _failure = exception;
            return true;
        }
        catch (BackendException exception) when (_stream.Ending is not null
            && exception.Failure is BackendFailure.Truncated or BackendFailure.Stalled)
        {
            // It said that it was done; that the body breaks off or hangs afterwards takes nothing away.
        }
        catch (Exception exception) when (_stream.Ending is not null && _exchange.IsAtEnd
            && exception is JsonException or InvalidDataException or FormatException)
        {
            // Likewise: half a document behind the end.
        }
        catch (Exception exception) when (exception is JsonException or InvalidDataException or FormatException
            or InvalidOperationException)
        {
            // InvalidOperationException is what JsonElement says of a value that is of another type than it should be.
            // Half a document at the end of the body is a broken connection, not nonsense.
            throw _exchange.IsAtEnd
                ? new BackendException(BackendFailure.Truncated, "The backend's answer broke off.", exception)
                : new BackendException(BackendFailure.Malformed, "The backend sent what cannot be read.", exception);
        }

        _stream.Complete(output);
        return false;
    }

    public async ValueTask DisposeAsync()
    {
        if (_events is not null) await _events.DisposeAsync();
        await _body.DisposeAsync();
    }

    private void Begin()
    {
        switch (_exchange.MediaType)
        {
            case "text/event-stream":
                BeginEvents();
                break;
            case "application/x-ndjson" or "application/ndjson" or "application/jsonl" or "application/x-jsonlines":
                _lines = new JsonLineReader(_body, spansLines: false);
                break;
            case "application/json" or "application/problem+json":
                // An error object where a stream should be, perhaps printed over several lines; or lines all the same.
                _lines = new JsonLineReader(_body, spansLines: true);
                break;
            case "" or "text/plain" or "application/octet-stream" when _format == BodyFormat.JsonLines:
                _lines = new JsonLineReader(_body, spansLines: false);
                break;
            case "" or "text/plain" or "application/octet-stream":
                BeginEvents();
                break;
            default:
                throw new BackendException(
                    BackendFailure.Malformed, $"The backend answered with {Utf8Text.Cut(_exchange.MediaType, 64)}, not a stream.");
        }
    }

    // The exchange holds the cancellation of its reads, so none is handed to the parser.
    private void BeginEvents()
    {
        _body.KeepsFailure = true;
        _events = SseParser.Create(_body, (type, data) =>
        {
            _stream.Read(type, data, _output);
            return true;
        }).EnumerateAsync(CancellationToken.None).GetAsyncEnumerator(CancellationToken.None);
    }

    private void Handle(ReadOnlySpan<byte> document)
    {
        // What a stop cut off is no document.
        if (!_exchange.IsStopped) _stream.Read("message", document, _output);
    }
}
