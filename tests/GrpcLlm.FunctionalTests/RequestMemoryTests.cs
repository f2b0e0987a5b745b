using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.FunctionalTests.Upstreams;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.Server.Backends.OpenAi;
using GrpcLlm.Server.Backends.Simulator;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests;

/// <summary>
/// A prompt may be a megabyte long and its stream an hour. Nothing is tried again after the first token, so from then on the
/// service holds no request; and what it tells at the end is complete all the same.
/// </summary>
public sealed class RequestMemoryTests
{
    private static readonly string Prompt = string.Concat(Enumerable.Repeat("word ", 200));

    private readonly ConcurrentQueue<WeakReference> _requests = new();
    private readonly TaskCompletionSource _goOn = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Provider_NoRequestIsHeldBehindTheFirstToken()
    {
        await using var upstream = TestUpstream.Start(async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(OpenAiSetup.Sse(OpenAiSetup.Text("one")));
            await Task.WhenAny(_goOn.Task, call.Closed);
            await call.WriteAsync(OpenAiSetup.Sse(OpenAiSetup.Text(" two, st"), OpenAiSetup.Text("op three")));
            await call.SilenceAsync();
        });
        var options = new OpenAiOptions { BaseUrl = upstream.Address.ToString() };
        await using var backend = new HttpBackend("up", new OpenAiProvider(options), options, TimeProvider.System);
        var request = new GenerateRequest
        {
            Prompt = Prompt,
            Labels = { ["team"] = "blue" },
            Limits = new GenerationLimits { StopSequences = { "stop" } },
        };

        var (answer, record) = await HoldAsync(backend, request);

        answer.Text.ShouldBe("one two, ");
        answer.Finish.StopSequence.ShouldBe("stop");
        record.GetProperty("finish_reason").GetString().ShouldBe("stop_sequence");
        record.GetProperty("labels").GetProperty("team").GetString().ShouldBe("blue");
        record.GetProperty("request_bytes").GetInt32().ShouldBe(request.CalculateSize());

        // Estimated, since this provider tells none.
        record.GetProperty("input_tokens").GetInt32().ShouldBe(Prompt.Length / 4);
        record.GetProperty("usage_source").GetString().ShouldBe("estimated");
    }

    [Fact]
    public async Task Simulator_NoRequestIsHeldBehindTheFirstToken()
    {
        var backend = new SimulatorBackend("sim", new SimulatorOptions(), TimeProvider.System);

        var (answer, record) = await HoldAsync(backend, Limited(3));

        answer.Finish.Reason.ShouldBe(FinishReason.Length);
        record.GetProperty("input_tokens").GetInt32().ShouldBeGreaterThan(0);
        record.GetProperty("output_tokens").GetInt32().ShouldBe(3);
    }

    [Fact]
    public async Task EmbeddedModel_NoRequestIsHeldBehindTheFirstToken()
    {
        await using var backend = new EmbeddedBackend(
            "embedded", new EmbeddedBackendOptions { Threads = 1 }, logger: null, TimeProvider.System);

        var (answer, record) = await HoldAsync(backend, Limited(3));

        answer.Finish.Reason.ShouldBe(FinishReason.Length);
        record.GetProperty("input_tokens").GetInt32().ShouldBeGreaterThan(0);
        record.GetProperty("output_tokens").GetInt32().ShouldBe(3);
    }

    private static GenerateRequest Limited(uint tokens) => new()
    {
        Prompt = Prompt, Limits = new GenerationLimits { MaxOutputTokens = tokens, MinOutputTokens = tokens },
    };

    /// <summary>Serves a request, waits behind its first token until the server has none of it, and goes on to the end.</summary>
    private async Task<(Answer Answer, System.Text.Json.JsonElement Record)> HoldAsync(IBackend backend, GenerateRequest request)
    {
        await using var server = await LlmServer.StartAsync(new ScriptedBackend((call, token) => Play(backend, call, token)));
        using var stream = server.Client.Generate(request, cancellationToken: Cancelled);
        (await stream.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
        var first = stream.ResponseStream.Current;
        first.TokenCount.ShouldBe(1u);

        _requests.Count.ShouldBe(2);
        await Eventually.IsAsync(() =>
        {
            GC.Collect();
            return !_requests.Any(static one => one.IsAlive);
        });
        _goOn.SetResult();

        return (await Answer.OfAsync(stream, first), await server.Logs.NextUsageAsync());
    }

    private IAsyncEnumerable<BackendEvent> Play(IBackend backend, BackendCall call, CancellationToken token)
    {
        _requests.Enqueue(new WeakReference(call.Request));
        _requests.Enqueue(new WeakReference(call.Request.Prompt));
        return WaitBehindFirst(backend.GenerateAsync(call, token), token);
    }

    private async IAsyncEnumerable<BackendEvent> WaitBehindFirst(
        IAsyncEnumerable<BackendEvent> events, [EnumeratorCancellation] CancellationToken token)
    {
        await foreach (var one in events)
        {
            yield return one;
            if (one.IsDelta) await _goOn.Task.WaitAsync(token);
        }
    }
}
