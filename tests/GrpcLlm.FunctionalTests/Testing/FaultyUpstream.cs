using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>What an answer of a <see cref="FaultyUpstream"/> does.</summary>
internal enum Fault
{
    None,
    SlowStart,
    RateLimited,
    RateLimitedSilently,
    ServerError,
    Unavailable,
    ResetBeforeHeaders,
    ResetBeforeToken,
    EmptyAnswer,
    ErrorBeforeToken,
    MalformedBeforeToken,
    SilentBeforeHeaders,
    SilentBeforeToken,
    ResetMidStream,
    TruncatedMidStream,
    ErrorMidStream,
    MalformedMidStream,
    StallMidStream,
}

/// <summary>One answer that was drawn.</summary>
/// <param name="Id">Its number, which stands in each of its tokens.</param>
/// <param name="Call">The call that it was for.</param>
/// <param name="Backend">Whose route was asked.</param>
/// <param name="Key">The key that came with the request.</param>
/// <param name="Fault">What it does.</param>
/// <param name="Pieces">Its tokens, of which a fault may keep the last back.</param>
/// <param name="InputTokens">What it reports.</param>
internal sealed record FaultyAnswer(
    int Id, int Call, string Backend, string Key, Fault Fault, IReadOnlyList<string> Pieces, int InputTokens);

/// <summary>
/// A provider of the OpenAI kind that fails at random, fast enough for many thousand calls: HTTP/1.1 under
/// <c>/{backend}/v1</c>. The prompt is <c>call N.</c>; what the n-th request of a call gets depends on the seed alone.
/// </summary>
internal sealed class FaultyUpstream : IAsyncDisposable
{
    private static readonly string[] Tails = [" ", "é ", "😀 ", "\n", "\\\" ", ", "];

    // Out of 1000.
    private static readonly (Fault Fault, int Weight)[] Weights =
    [
        (Fault.SlowStart, 20), (Fault.RateLimited, 40), (Fault.RateLimitedSilently, 1), (Fault.ServerError, 40),
        (Fault.Unavailable, 40), (Fault.ResetBeforeHeaders, 40), (Fault.ResetBeforeToken, 40), (Fault.EmptyAnswer, 20),
        (Fault.ErrorBeforeToken, 30), (Fault.MalformedBeforeToken, 20), (Fault.SilentBeforeHeaders, 5),
        (Fault.SilentBeforeToken, 5), (Fault.ResetMidStream, 30), (Fault.TruncatedMidStream, 20),
        (Fault.ErrorMidStream, 20), (Fault.MalformedMidStream, 20), (Fault.StallMidStream, 5),
    ];

    private const int MaxRequests = 64;

    private readonly WebApplication _app;
    private readonly int _seed;
    private readonly ConcurrentDictionary<int, FaultyAnswer> _answers = new();
    private readonly ConcurrentDictionary<int, int> _requestsOfCall = new();
    private int _open;
    private int _connections;
    private int _mostConnections;

    private FaultyUpstream(WebApplication app, int seed)
    {
        _app = app;
        _seed = seed;
    }

    /// <summary>Base address, without backend.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>All answers by number.</summary>
    public IReadOnlyDictionary<int, FaultyAnswer> Answers => _answers;

    /// <summary>Connections that are open.</summary>
    public int Connections => Volatile.Read(ref _connections);

    /// <summary>Most connections that were open at once.</summary>
    public int MostConnections => Volatile.Read(ref _mostConnections);

    /// <summary>Answers that are not over.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <summary>Starts to listen.</summary>
    public static async Task<FaultyUpstream> StartAsync(int seed, CancellationToken cancellationToken)
    {
        // Empty, or it would read the server's own settings, which lie beside this program.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        FaultyUpstream? counting = null;
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(
            System.Net.IPAddress.Loopback, 0, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                listen.Use(next => connection => counting!.CountAsync(next, connection));
            }));
        var app = builder.Build();
        var upstream = counting = new FaultyUpstream(app, seed);
        app.Run(upstream.ServeAsync);
        await app.StartAsync(cancellationToken);
        upstream.Address = new Uri(app.Urls.Single());
        return upstream;
    }

    /// <summary>What was drawn for a call so far, in the order of its requests.</summary>
    public IReadOnlyList<FaultyAnswer> AnswersTo(int call) =>
        [.. Enumerable.Range(call * MaxRequests, MaxRequests).Select(_answers.GetValueOrDefault).OfType<FaultyAnswer>()];

    /// <summary>Drops what was drawn for a call that is over.</summary>
    public void Forget(int call)
    {
        if (!_requestsOfCall.TryRemove(call, out var last)) return;
        for (var request = 0; request <= last; request++) _answers.TryRemove((call * MaxRequests) + request, out _);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task CountAsync(ConnectionDelegate next, ConnectionContext connection)
    {
        var open = Interlocked.Increment(ref _connections);
        int most;
        while (open > (most = Volatile.Read(ref _mostConnections)) && Interlocked.CompareExchange(ref _mostConnections, open, most) != most)
        {
            // Another one was quicker.
        }

        try
        {
            await next(connection);
        }
        finally
        {
            Interlocked.Decrement(ref _connections);
        }
    }

    private async Task ServeAsync(HttpContext context)
    {
        Interlocked.Increment(ref _open);
        try
        {
            using var reader = new StreamReader(context.Request.Body, Encoding.UTF8);
            var body = await reader.ReadToEndAsync(context.RequestAborted);
            await PlayAsync(context, body);
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            // The service left, as it does with those it gives up.
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }

    private async Task PlayAsync(HttpContext context, string body)
    {
        var start = body.IndexOf("call ", StringComparison.Ordinal) + 5;
        var call = int.Parse(body.AsSpan(start, body.IndexOf('.', start) - start));
        var request = _requestsOfCall.AddOrUpdate(call, 0, static (_, count) => count + 1);
        var random = new Random(HashOf(_seed, call, request));
        var answer = Draw(random, context, call, request);
        _answers[answer.Id] = answer;

        var response = context.Response;
        switch (answer.Fault)
        {
            case Fault.RateLimited:
                response.Headers["retry-after-ms"] = $"{random.Next(1, 30)}";
                await RefuseAsync(response, 429);
                return;
            case Fault.RateLimitedSilently:
                await RefuseAsync(response, 429);
                return;
            case Fault.ServerError:
                await RefuseAsync(response, 500);
                return;
            case Fault.Unavailable:
                if (random.Next(4) == 0) response.Headers["retry-after-ms"] = $"{random.Next(0, 20)}";
                await RefuseAsync(response, 503);
                return;
            case Fault.ResetBeforeHeaders:
                context.Abort();
                return;
            case Fault.SilentBeforeHeaders:
                await SilenceAsync(context);
                return;
            case Fault.SlowStart:
                await Task.Delay(TimeSpan.FromMilliseconds(random.Next(60, 120)), TimeProvider.System, context.RequestAborted);
                break;
        }

        response.ContentType = "text/event-stream";
        await response.StartAsync(context.RequestAborted);
        await StreamAsync(context, answer, random);
    }

    private static async Task StreamAsync(HttpContext context, FaultyAnswer answer, Random random)
    {
        var text = new StringBuilder();
        if (random.Next(2) == 0) Event(text, """{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}""");
        var isCut = answer.Fault >= Fault.ResetMidStream;
        var noToken = answer.Fault is >= Fault.ResetBeforeToken and < Fault.ResetMidStream;
        var tokens = noToken ? 0 : isCut ? random.Next(1, answer.Pieces.Count + 1) : answer.Pieces.Count;
        for (var n = 0; n < tokens; n++)
            Event(text, $$$"""{"id":"r{{{answer.Id}}}","choices":[{"index":0,"delta":{"content":{{{JsonSerializer.Serialize(answer.Pieces[n])}}}}}]}""");
        switch (answer.Fault)
        {
            case Fault.ErrorBeforeToken or Fault.ErrorMidStream:
                Event(text, $$$"""{"error":{"message":"no more","code":{{{(random.Next(20) == 0 ? 429 : 503)}}}}}""");
                break;
            case Fault.MalformedBeforeToken or Fault.MalformedMidStream:
                Event(text, """{"choices":[{"delta":{"content":"lost""");
                break;
            case Fault.ResetMidStream or Fault.TruncatedMidStream when random.Next(2) == 0:
                text.Append("""data: {"choices":[{"del""");
                break;
            case Fault.None or Fault.SlowStart:
                Event(text, """{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}""");
                Event(text, $$$"""{"choices":[],"usage":{"prompt_tokens":{{{answer.InputTokens}}},"completion_tokens":{{{tokens}}}}}""");
                Event(text, "[DONE]");
                break;
        }

        await WriteInPiecesAsync(context, Encoding.UTF8.GetBytes(text.ToString()), random);
        if (answer.Fault is Fault.ResetBeforeToken or Fault.ResetMidStream) context.Abort();
        if (answer.Fault is Fault.SilentBeforeToken or Fault.StallMidStream) await SilenceAsync(context);
    }

    /// <summary>Anywhere between two bytes, in the middle of a character too.</summary>
    private static async Task WriteInPiecesAsync(HttpContext context, ReadOnlyMemory<byte> bytes, Random random)
    {
        for (var left = random.Next(1, 5); left > 0; left--)
        {
            var size = left == 1 ? bytes.Length : random.Next(0, bytes.Length + 1);
            await context.Response.Body.WriteAsync(bytes[..size], context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            bytes = bytes[size..];
            if (random.Next(8) == 0) await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, context.RequestAborted);
        }
    }

    private static void Event(StringBuilder text, string data) => text.Append("data: ").Append(data).Append("\n\n");

    private static async Task RefuseAsync(HttpResponse response, int status)
    {
        response.StatusCode = status;
        response.ContentType = "application/json";
        await response.WriteAsync("""{"error":{"message":"not now"}}""");
    }

    private static Task SilenceAsync(HttpContext context) =>
        Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);

    // Not HashCode: it differs from one process to the next.
    private static int HashOf(int seed, int call, int request) => unchecked((((seed * 31) + call) * 7919) + (request * 104_729));

    private static FaultyAnswer Draw(Random random, HttpContext context, int call, int request)
    {
        // Unique, and the same in every run.
        var id = (call * MaxRequests) + request;
        var pieces = Enumerable.Range(0, random.Next(1, 16)).Select(n => $"{id}.{n}{Tails[random.Next(Tails.Length)]}").ToList();
        var drawn = random.Next(1000);
        var fault = Fault.None;
        foreach (var (candidate, weight) in Weights)
        {
            drawn -= weight;
            if (drawn >= 0) continue;
            fault = candidate;
            break;
        }

        var backend = context.Request.Path.Value!.Split('/')[1];
        var key = context.Request.Headers.Authorization.ToString().Replace("Bearer ", "", StringComparison.Ordinal);
        return new FaultyAnswer(id, call, backend, key, fault, pieces, random.Next(1, 100));
    }
}
