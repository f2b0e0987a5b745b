using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using GrpcLlm.Server.Telemetry;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// Reads the events of an exchange one by one and hands them to a provider's stream: those that have come by
/// <see cref="TryRead"/>, which never waits, and more of the body by <see cref="FillAsync"/>. Nothing is read ahead of
/// what is asked for beyond one buffer. Not thread-safe.
/// </summary>
internal sealed class UpstreamEvents : IDisposable
{
    /// <summary>Most bytes of one event: far above any provider's, and a bound for one that never ends its line.</summary>
    public const int MaxEventBytes = 16 << 20;

    // A stream that waits holds the small one; one whose upstream is faster than its client takes more at a time.
    private const int SmallBuffer = 1024;
    private const int LargeBuffer = 4096;

    private readonly UpstreamExchange _exchange;
    private readonly ProviderStream _stream;
    private readonly EventFraming _framing;
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(SmallBuffer);
    private int _start;
    private int _end;
    private int _eventBytes;
    private bool _isFast;
    private bool _isAtEnd;
    private bool _isOver;
    private BackendException? _failure;

    /// <param name="exchange">Open.</param>
    /// <param name="stream">Reads the events.</param>
    /// <param name="format">Form of the body where its media type does not say.</param>
    /// <exception cref="BackendException">Malformed: the media type is none of a stream.</exception>
    public UpstreamEvents(UpstreamExchange exchange, ProviderStream stream, BodyFormat format)
    {
        _exchange = exchange;
        _stream = stream;
        _framing = FramingOf(exchange.MediaType, format);
    }

    /// <summary>Reads one event that has come; what it says is appended to the output, and may be nothing.</summary>
    /// <returns>False: none has come, or nothing more is expected.</returns>
    /// <exception cref="BackendException">It failed.</exception>
    public bool TryRead(List<BackendEvent> output)
    {
        if (_failure is not null) throw _failure;

        // What a stop cut off is not to be taken for whole.
        if (_isOver || _stream.IsOver || _exchange.IsStopped) return false;
        if (!_framing.TryTake(_buffer.AsSpan(_start, _end - _start), _isAtEnd, out var used, out var type, out var data))
        {
            _start += used;
            return false;
        }

        _start += used;
        _eventBytes = _end - _start;
        try
        {
            _stream.Read(type, data, output);
        }
        catch (BackendException exception) when (output.Count > 0)
        {
            // What the event held beside the error goes first: a last piece of text, the usage.
            _failure = exception;
        }
        catch (Exception exception) when (_stream.Ending is not null && _isAtEnd && IsUnreadable(exception))
        {
            // It said that it was done; half a document behind the end takes nothing away.
            _isOver = true;
            return false;
        }
        catch (Exception exception) when (IsUnreadable(exception) || exception is InvalidOperationException)
        {
            // InvalidOperationException is what JsonElement says of a value that is of another type than it should be.
            // Half a document at the end of the body is a broken connection, not nonsense.
            throw _isAtEnd
                ? new BackendException(BackendFailure.Truncated, "The backend's answer broke off.", exception)
                : new BackendException(BackendFailure.Malformed, "The backend sent what cannot be read.", exception);
        }

        return true;
    }

    /// <summary>Reads on in the body, once <see cref="TryRead"/> has found nothing.</summary>
    /// <returns>False: nothing more is expected, or the exchange <see cref="UpstreamExchange.IsStopped"/>.</returns>
    /// <exception cref="BackendException">It failed.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> FillAsync()
    {
        if (_isOver || _isAtEnd || _stream.IsOver) return false;
        MakeRoom();
        int read;
        try
        {
            read = await _exchange.ReadAsync(_buffer.AsMemory(_end));
        }
        catch (BackendException exception) when (_stream.Ending is not null
            && exception.Failure is BackendFailure.Truncated or BackendFailure.Stalled)
        {
            // It said that it was done; that the body breaks off or hangs afterwards takes nothing away.
            _isOver = true;
            return false;
        }

        if (_exchange.IsStopped) return false;
        _isAtEnd = read == 0;
        _isFast = read >= SmallBuffer || read == _buffer.Length - _end;
        _end += read;
        _eventBytes += read;
        return _eventBytes <= MaxEventBytes
            ? true
            : throw new BackendException(BackendFailure.Malformed, "The backend sent an event that is too large.");
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        _start = _end = 0;
    }

    /// <summary>Moves what is held to the front of a buffer that has as much room again at least.</summary>
    private void MakeRoom()
    {
        var held = _buffer.AsSpan(_start, _end - _start);
        var size = _isFast ? LargeBuffer : SmallBuffer;
        while (size < held.Length * 2) size *= 2;
        if (size == _buffer.Length)
        {
            held.CopyTo(_buffer);
        }
        else
        {
            var other = ArrayPool<byte>.Shared.Rent(size);
            held.CopyTo(other);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = other;
        }

        _start = 0;
        _end = held.Length;
    }

    private static bool IsUnreadable(Exception exception) => exception is JsonException or InvalidDataException or FormatException;

    private static EventFraming FramingOf(string mediaType, BodyFormat format) => mediaType switch
    {
        "text/event-stream" => new ServerSentEventFraming(),
        "application/x-ndjson" or "application/ndjson" or "application/jsonl" or "application/x-jsonlines" =>
            new JsonLineFraming(spansLines: false),

        // An error object where a stream should be, perhaps printed over several lines; or lines all the same.
        "application/json" or "application/problem+json" => new JsonLineFraming(spansLines: true),
        "" or "text/plain" or "application/octet-stream" => format == BodyFormat.JsonLines
            ? new JsonLineFraming(spansLines: false)
            : new ServerSentEventFraming(),
        _ => throw new BackendException(
            BackendFailure.Malformed, $"The backend answered with {Utf8Text.Cut(mediaType, 64)}, not a stream."),
    };
}
