using System.Runtime.CompilerServices;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using GrpcLlm.FunctionalTests.Admission;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;
using Microsoft.Extensions.DependencyInjection;

namespace GrpcLlm.FunctionalTests.Telemetry;

/// <summary>How a call ended, as <c>grpcllm.streams.finished</c> tells it.</summary>
internal sealed record End(string Reason, string Fault);

/// <summary>A way to end.</summary>
/// <param name="Backend">Makes the backend.</param>
/// <param name="Run">Makes the calls.</param>
/// <param name="Ends">How they end, one for each call.</param>
internal sealed record Way(Func<ScriptedBackend> Backend, Func<LlmServer, ScriptedBackend, Task> Run, params IReadOnlyList<End> Ends)
{
    /// <summary>Settings of the server.</summary>
    public string[] Settings { get; init; } = [];

    /// <summary>Whether the server is stopped in the course.</summary>
    public bool Stops { get; init; }
}

/// <summary>Every way in which a call of Generate can end.</summary>
internal static class Endings
{
    private const string CancelPath = "the-one";
    private static readonly GenerateRequest Prompt = new() { Prompt = "p", RequestId = CancelPath };
    private static readonly BackendEvent Word = BackendEvent.TextDelta("word");

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>The ways, by what happens.</summary>
    public static IReadOnlyDictionary<string, Way> All { get; } = new Dictionary<string, Way>(StringComparer.Ordinal)
    {
        // The backend ends.
        ["stop"] = Finishes(FinishReason.Stop),
        ["length"] = Finishes(FinishReason.Length),
        ["context length"] = Finishes(FinishReason.ContextLength),
        ["tool calls"] = Finishes(FinishReason.ToolCalls),
        ["content filter"] = Finishes(FinishReason.ContentFilter),
        ["other"] = Finishes(FinishReason.Other),
        ["an answer without tokens"] = new(() => ScriptedBackend.Text(), AnswerAsync, None("stop")),

        // The service ends it.
        ["stop sequence"] = new(
            () => ScriptedBackend.Endless(" stop"), Requesting(new() { Prompt = "p", Limits = new() { StopSequences = { "stop" } } }),
            None("stop_sequence")),
        ["time budget after tokens"] = new(() => ScriptedBackend.Silent(Word), Requesting(Budget(300)), None("time_budget")),
        ["time budget before tokens"] = new(() => ScriptedBackend.Silent(), Requesting(Budget(100)), Client("deadline")),
        ["deadline before tokens"] = new(
            () => ScriptedBackend.Silent(),
            Framed([0, 0, 0, 0, (byte)Prompt.CalculateSize(), .. Prompt.ToByteArray()], ("grpc-timeout", "1S")), Client("deadline")),
        ["deadline after tokens"] = new(
            () => ScriptedBackend.Silent(Word),
            Framed([0, 0, 0, 0, (byte)Prompt.CalculateSize(), .. Prompt.ToByteArray()], ("grpc-timeout", "1S")), None("time_budget")),
        ["cancelled by name after tokens"] = new(() => ScriptedBackend.Silent(Word), CancelByNameAsync, None("cancelled")),
        ["cancelled by name before tokens"] = new(() => ScriptedBackend.Silent(), CancelByNameAsync, None("cancelled")),
        ["quota used up"] = new(
            () => ScriptedBackend.Endless(), AsTenantAsync, None("quota"))
        { Settings = TenantSettings.Of("a", "key-of-a", "TokensPerMinute=20") },

        // The request is refused.
        ["invalid"] = new(() => ScriptedBackend.Text("x"), Requesting(new()), Client("invalid_request")),
        ["unreadable"] = new(() => ScriptedBackend.Text("x"), Raw([0x1A, 0xFF, 0x01]), Client("invalid_request")),
        ["too large"] = new(
            () => ScriptedBackend.Text("x"), Requesting(new() { Prompt = new string('a', 5_000) }), Client("invalid_request"))
        { Settings = ["GrpcLlm:Limits:MaxRequestBytes=4096"] },
        ["compressed in no known way"] = new(
            () => ScriptedBackend.Text("x"), Framed([1, 0, 0, 0, 1, 0], ("grpc-encoding", "rot13")), Client("invalid_request")),
        ["without a message"] = new(() => ScriptedBackend.Text("x"), Framed([]), Client("invalid_request")),
        ["two messages"] = new(
            () => ScriptedBackend.Text("x"), Framed([0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Client("invalid_request")),
        ["unknown model"] = new(() => ScriptedBackend.Text("x"), Requesting(new() { Model = "none", Prompt = "p" }), Client("model_not_found")),
        ["unknown key"] = new(() => ScriptedBackend.Text("x"), AnswerAsync, Client("unauthenticated"))
        { Settings = TenantSettings.Of("a", "key-of-a") },
        ["forbidden model"] = new(() => ScriptedBackend.Text("x"), AsTenantAsync, Client("model_forbidden"))
        { Settings = TenantSettings.Of("a", "key-of-a", "Models:0=simulator") },
        ["quota exceeded"] = new(
            () => ScriptedBackend.Text("x"), TwiceAsTenantAsync, None("stop"), Client("quota_exceeded"))
        { Settings = TenantSettings.Of("a", "key-of-a", "RequestsPerMinute=1") },
        ["queue full"] = new(
            () => ScriptedBackend.Silent(Word), OneTooManyAsync, Client("client_cancelled"), new End("overloaded", "service"))
        { Settings = ["GrpcLlm:Admission:MaxConcurrent=1", "GrpcLlm:Admission:MaxQueue=0"] },

        // The backend fails before its first token.
        ["context too long"] = Fails(BackendFailure.ContextTooLong, Client("context_too_long")),
        ["rate limited"] = Fails(BackendFailure.RateLimited, Upstream("upstream_rate_limited")),
        ["unavailable"] = Fails(BackendFailure.Unavailable, Upstream("upstream_unavailable")),
        ["silent"] = Fails(BackendFailure.Stalled, Upstream("first_token_timeout")),
        ["no token in the whole time"] = new(() => ScriptedBackend.Silent(), AnswerAsync, Upstream("first_token_timeout"))
        { Settings = ["GrpcLlm:Resilience:TotalTimeout=00:00:00.2"] },
        ["rejected"] = Fails(BackendFailure.Rejected, Upstream("upstream_rejected")),
        ["misconfigured"] = Fails(BackendFailure.Misconfigured, new End("upstream_misconfigured", "service")),
        ["backend full"] = Fails(BackendFailure.Overloaded, new End("overloaded", "service")),
        ["given up after retries"] = new(
            () => Failing(BackendFailure.Unavailable), AnswerAsync, Upstream("upstream_unavailable"))
        { Settings = ["GrpcLlm:Resilience:MaxAttempts=3", "GrpcLlm:Resilience:BaseDelay=00:00:00.001"] },
        ["served by the hedge"] = new(FirstSilentThenText, AnswerAsync, None("stop"))
        { Settings = ["GrpcLlm:Resilience:MaxAttempts=2", "GrpcLlm:Resilience:HedgeAfter=00:00:00.05"] },

        // It fails after it.
        ["stalled"] = Fails(BackendFailure.Stalled, Upstream("upstream_stalled"), Word),
        ["truncated"] = Fails(BackendFailure.Truncated, Upstream("upstream_truncated"), Word),
        ["malformed"] = Fails(BackendFailure.Malformed, Upstream("upstream_malformed"), Word),
        ["failed"] = Fails(BackendFailure.Failed, Upstream("upstream_failed"), Word),
        ["no end"] = new(() => ScriptedBackend.Of(Word), AnswerAsync, Upstream("upstream_truncated")),

        // A fault of our own.
        ["thrown at once"] = new(() => new ScriptedBackend(static (_, _) => throw new ArithmeticException()), AnswerAsync, new End("internal", "service")),
        ["thrown in the stream"] = new(() => new ScriptedBackend(static (_, _) => ThrowAfter(Word)), AnswerAsync, new End("internal", "service")),
        ["thrown on disposal"] = new(() => new ScriptedBackend(static (_, _) => ThrowAtTheEnd()), Requesting(new()
        {
            Prompt = "p", Limits = new() { StopSequences = { "word" } },
        }), new End("internal", "service")),

        // The client goes.
        ["leaves while it sends"] = new(() => ScriptedBackend.Text("x"), LeaveWhileSendingAsync(static (_, stream) => stream.ResetAsync()), Client("client_cancelled")),
        ["crashes while it sends"] = new(() => ScriptedBackend.Text("x"), LeaveWhileSendingAsync(Crash), Client("client_cancelled")),
        ["cancels in the queue"] = new(
            () => ScriptedBackend.Silent(Word), CancelInQueueAsync, Client("client_cancelled"), Client("client_cancelled"))
        { Settings = ["GrpcLlm:Admission:MaxConcurrent=1"] },
        ["cancels before its first token"] = new(() => ScriptedBackend.Silent(), LeaveAsync("waiting_for_first_token", static (_, stream) => stream.ResetAsync()), Client("client_cancelled")),
        ["crashes before its first token"] = new(() => ScriptedBackend.Silent(), LeaveAsync("waiting_for_first_token", Crash), Client("client_cancelled")),
        ["cancels between attempts"] = new(() => Failing(BackendFailure.Unavailable), LeaveBetweenAttemptsAsync, Client("client_cancelled"))
        { Settings = ["GrpcLlm:Resilience:MaxAttempts=3", "GrpcLlm:Resilience:BaseDelay=00:00:30", "GrpcLlm:Resilience:MaxDelay=00:01:00"] },
        ["cancels in the stream"] = new(() => ScriptedBackend.Silent(Word), LeaveAsync("streaming", static (_, stream) => stream.ResetAsync()), Client("client_cancelled")),
        ["crashes in the stream"] = new(() => ScriptedBackend.Silent(Word), LeaveAsync("streaming", Crash), Client("client_cancelled")),
        ["cancels while it does not read"] = new(() => ScriptedBackend.Endless(), LeaveAsync("stalled", static (_, stream) => stream.ResetAsync()), Client("client_cancelled")),
        ["crashes while it does not read"] = new(() => ScriptedBackend.Endless(), LeaveAsync("stalled", Crash), Client("client_cancelled")),
        ["does not read for too long"] = new(() => ScriptedBackend.Endless(), LeaveAsync("stalled", static (_, stream) => stream.Reset), Client("client_stalled"))
        { Settings = ["GrpcLlm:Streaming:ClientStallTimeout=00:00:00.3"] },

        // The server goes.
        ["drained after tokens"] = new(() => ScriptedBackend.Silent(Word), StopAsync, new End("draining", "service"))
        { Settings = ["GrpcLlm:Shutdown:Grace=00:00:00"], Stops = true },
        ["drained before tokens"] = new(() => ScriptedBackend.Silent(), StopAsync, new End("draining", "service"))
        { Settings = ["GrpcLlm:Shutdown:Grace=00:00:00"], Stops = true },
        ["refused while draining"] = new(
            () => ScriptedBackend.Silent(Word), RefusedWhileDrainingAsync, None("cancelled"), new End("draining", "service"))
        { Stops = true },
    };

    private static End None(string reason) => new(reason, "none");

    private static End Client(string reason) => new(reason, "client");

    private static End Upstream(string reason) => new(reason, "upstream");

    private static Way Finishes(FinishReason reason) => new(
        () => ScriptedBackend.Of(Word, BackendEvent.Finished(new BackendEnding(reason))), AnswerAsync,
        None(Server.Requests.Names<FinishReason>.LowerOf(reason)));

    private static Way Fails(BackendFailure failure, End end, params BackendEvent[] before) =>
        new(() => Failing(failure, before), AnswerAsync, end);

    private static GenerateRequest Budget(int milliseconds) => new()
    {
        Prompt = "p", Limits = new GenerationLimits { TimeBudget = Duration.FromTimeSpan(TimeSpan.FromMilliseconds(milliseconds)) },
    };

    private static ScriptedBackend Failing(BackendFailure failure, params BackendEvent[] before)
    {
        return new ScriptedBackend((_, _) => Play());

        async IAsyncEnumerable<BackendEvent> Play()
        {
            foreach (var one in before) yield return one;
            await Task.Yield();
            throw new BackendException(failure, "it broke");
        }
    }

    private static ScriptedBackend FirstSilentThenText()
    {
        var runs = 0;
        return new ScriptedBackend((_, token) => Play(Interlocked.Increment(ref runs), token));

        static async IAsyncEnumerable<BackendEvent> Play(int run, [EnumeratorCancellation] CancellationToken token)
        {
            if (run == 1) await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token);
            yield return Word;
            yield return BackendEvent.Finished(new BackendEnding(FinishReason.Stop));
        }
    }

    private static async IAsyncEnumerable<BackendEvent> ThrowAfter(BackendEvent first)
    {
        yield return first;
        await Task.Yield();
        throw new ArithmeticException();
    }

    private static async IAsyncEnumerable<BackendEvent> ThrowAtTheEnd()
    {
        await using var broken = new BrokenOnDisposal();
        while (true)
        {
            await Task.Yield();
            yield return Word;
        }
    }

    private static Task<Answer> AnswerAsync(LlmServer server, ScriptedBackend backend) => Answer.OfAsync(server, Prompt);

    private static Func<LlmServer, ScriptedBackend, Task> Requesting(GenerateRequest request) =>
        (server, _) => Answer.OfAsync(server, request);

    private static async Task AsTenantAsync(LlmServer server, ScriptedBackend backend)
    {
        using var call = server.Client.Generate(Prompt, TenantSettings.Key("key-of-a"), cancellationToken: Cancelled);
        await Answer.OfAsync(call);
    }

    private static async Task TwiceAsTenantAsync(LlmServer server, ScriptedBackend backend)
    {
        await AsTenantAsync(server, backend);
        await AsTenantAsync(server, backend);
    }

    private static Func<LlmServer, ScriptedBackend, Task> Raw(byte[] message) => async (server, _) =>
    {
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        await (await connection.CallAsync(Paths.Generate, message)).Trailers;
    };

    private static Func<LlmServer, ScriptedBackend, Task> Framed(byte[] body, params (string, string)[] headers) => async (server, _) =>
    {
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        await (await connection.OpenAsync(Paths.Generate, body, headers)).Trailers;
    };

    private static async Task CancelByNameAsync(LlmServer server, ScriptedBackend backend)
    {
        using var call = server.Client.Generate(Prompt, cancellationToken: Cancelled);
        await backend.NextRunAsync();
        await server.Client.CancelGenerationAsync(new CancelGenerationRequest { RequestId = CancelPath }, cancellationToken: Cancelled);
        await Answer.OfAsync(call);
    }

    private static async Task OneTooManyAsync(LlmServer server, ScriptedBackend backend)
    {
        using var holder = server.Client.Generate(Prompt, cancellationToken: Cancelled);
        await backend.NextRunAsync();
        await Answer.OfAsync(server, Prompt);
    }

    private static async Task CancelInQueueAsync(LlmServer server, ScriptedBackend backend)
    {
        using var holder = server.Client.Generate(Prompt, cancellationToken: Cancelled);
        await backend.NextRunAsync();
        var queue = server.Services.GetRequiredService<AdmissionQueue>();
        using (server.Client.Generate(Prompt, cancellationToken: Cancelled)) await Eventually.IsAsync(() => queue.Waiting == 1);
        await Eventually.IsAsync(() => queue.Waiting == 0);
    }

    private static Func<LlmServer, ScriptedBackend, Task> LeaveAsync(
        string state, Func<RawHttp2Connection, RawHttp2Stream, Task> leave) => async (server, _) =>
    {
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address, streamWindow: 1024);
        var stream = await connection.CallAsync(Paths.Generate, Prompt.ToByteArray());
        await Eventually.IsAsync(() => server.Metrics.ActiveIn(state) == 1);
        await leave(connection, stream);
        await Eventually.IsAsync(() => server.Metrics.Active == 0);
    };

    private static Task Crash(RawHttp2Connection connection, RawHttp2Stream stream)
    {
        connection.Abort();
        return Task.CompletedTask;
    }

    private static Func<LlmServer, ScriptedBackend, Task> LeaveWhileSendingAsync(
        Func<RawHttp2Connection, RawHttp2Stream, Task> leave) => async (server, _) =>
    {
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);

        // A frame that promises 100 bytes and holds two; the server has begun to read it once it answers what comes later.
        var stream = await connection.OpenAsync(Paths.Generate, [0, 0, 0, 0, 100, 1, 2], isWhole: false);
        await (await connection.CallAsync(Paths.ListModels, [])).Trailers;
        await leave(connection, stream);
        await Eventually.IsAsync(() => server.Metrics.AllFinished == 1);
    };

    private static async Task LeaveBetweenAttemptsAsync(LlmServer server, ScriptedBackend backend)
    {
        using var call = server.Client.Generate(
            new GenerateRequest { Prompt = "p", Output = new OutputOptions { Progress = true } }, cancellationToken: Cancelled);
        while (await call.ResponseStream.MoveNext(Cancelled))
        {
            if (call.ResponseStream.Current.Progress?.Phase == ProgressPhase.Retrying) return;
        }

        throw new InvalidOperationException("It never waited for another attempt.");
    }

    private static async Task StopAsync(LlmServer server, ScriptedBackend backend)
    {
        using var call = server.Client.Generate(Prompt, cancellationToken: Cancelled);
        await backend.NextRunAsync();
        await server.StopAsync();
        await Answer.OfAsync(call);
    }

    private static async Task RefusedWhileDrainingAsync(LlmServer server, ScriptedBackend backend)
    {
        using var running = server.Client.Generate(Prompt, cancellationToken: Cancelled);
        (await running.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
        var stopping = server.StopAsync();
        (await Answer.OfAsync(server, new GenerateRequest { Prompt = "late" })).Reason.ShouldBe("DRAINING");
        await server.Client.CancelGenerationAsync(new CancelGenerationRequest { RequestId = CancelPath }, cancellationToken: Cancelled);
        await Answer.OfAsync(running);
        await stopping;
    }

    private sealed class BrokenOnDisposal : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => throw new ArithmeticException();
    }
}
