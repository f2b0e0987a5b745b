using System.Diagnostics;
using GrpcLlm.FunctionalTests.Resilience;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Testing.CollectedSpans;
using static GrpcLlm.FunctionalTests.Upstreams.OpenAiSetup;

namespace GrpcLlm.FunctionalTests.Telemetry;

/// <summary>Every span ends once, with the right status, whichever way its attempt and its call end.</summary>
[Collection(HttpSpans.Name)]
public sealed class SpanEndTests
{
    private static readonly string[] Ends = ["error.", "grpcllm.attempt.outcome", "grpcllm.fault", "gen_ai.response.f", "rpc.response"];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task FailedAttempt_ThenServed_AreTwoSpansSideBySide()
    {
        using var spans = new CollectedSpans();
        await using var refusing = RoutesSetup.Refusing(503);
        await using var serving = RoutesSetup.Serving("x");
        await using var server = await RoutesSetup.StartAsync([refusing, serving]);

        await CallAsync(server, Prompt, spans);

        var call = await spans.CallEndedAsync();
        spans.Attempts.ShouldAllBe(attempt => attempt.ParentSpanId == call.SpanId && !attempt.Links.Any());
        Told(spans).ShouldBe(
        [
            "1 Error error.type=UPSTREAM_UNAVAILABLE grpcllm.attempt.outcome=failed",
            "2 Unset gen_ai.response.finish_reasons=[stop] grpcllm.attempt.outcome=served",
        ]);
        Told(call).ShouldBe("Unset gen_ai.response.finish_reasons=[stop] rpc.response.status_code=OK");
        foreach (var (upstream, attempt) in new[] { refusing, serving }.Zip(spans.Attempts))
            (await upstream.NextCallAsync()).Headers["traceparent"].ShouldBe(TraceParentOf(attempt));
    }

    [Fact]
    public async Task Hedge_LinksToTheSlowOne_WhichIsGivenUp()
    {
        using var spans = new CollectedSpans();
        await using var slow = TestUpstream.Start(static call => call.SilenceAsync());
        await using var fast = RoutesSetup.Serving("x");
        await using var server = await RoutesSetup.StartAsync([slow, fast], "GrpcLlm:Resilience:HedgeAfter=00:00:00.3");

        await CallAsync(server, Prompt, spans);

        var call = await spans.CallEndedAsync();
        spans.Attempts.ShouldAllBe(attempt => attempt.ParentSpanId == call.SpanId);
        spans.Attempts[0].Links.ShouldBeEmpty();
        spans.Attempts[1].Links.ShouldHaveSingleItem().Context.SpanId.ShouldBe(spans.Attempts[0].SpanId);
        spans.Attempts[1].GetTagItem("grpcllm.attempt.hedged").ShouldBe(true);
        Told(spans).ShouldBe(
        [
            "1 Unset grpcllm.attempt.outcome=cancelled",
            "2 Unset gen_ai.response.finish_reasons=[stop] grpcllm.attempt.outcome=served",
        ]);
        Tags(spans.Attempts[0], "gen_ai.usage", "grpcllm.usage").ShouldBe(
            ["gen_ai.usage.input_tokens=1", "gen_ai.usage.output_tokens=0", "grpcllm.usage.source=estimated"]);
        (await fast.NextCallAsync()).Headers["traceparent"].ShouldBe(TraceParentOf(spans.Attempts[1]));
    }

    [Fact]
    public async Task ClientCancels_MidStream_IsNoError()
    {
        using var spans = new CollectedSpans();
        var backend = ScriptedBackend.Silent(BackendEvent.TextDelta("x"));
        await using var server = await LlmServer.StartAsync(backend);
        var call = server.Client.Generate(Prompt, spans.Metadata, cancellationToken: Cancelled);
        (await call.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();

        call.Dispose();

        var span = await spans.CallEndedAsync();
        Told(spans).ShouldBe(["1 Unset error.type=CLIENT_CANCELLED grpcllm.attempt.outcome=served"]);
        Told(span).ShouldBe("Unset error.type=CLIENT_CANCELLED grpcllm.fault=client rpc.response.status_code=CANCELLED");
        spans.Attempts[0].Duration.ShouldBeLessThanOrEqualTo(span.Duration);
    }

    [Fact]
    public async Task ClientCancels_BeforeTheFirstToken_TheAttemptIsGivenUp()
    {
        using var spans = new CollectedSpans();
        var backend = ScriptedBackend.Silent();
        await using var server = await LlmServer.StartAsync(backend);
        var call = server.Client.Generate(Prompt, spans.Metadata, cancellationToken: Cancelled);
        await backend.NextRunAsync();

        call.Dispose();

        var span = await spans.CallEndedAsync();
        Told(spans).ShouldBe(["1 Unset grpcllm.attempt.outcome=cancelled"]);
        Told(span).ShouldBe("Unset error.type=CLIENT_CANCELLED grpcllm.fault=client rpc.response.status_code=CANCELLED");
    }

    [Fact]
    public async Task CancelGeneration_FinishesBothSpansWell()
    {
        using var spans = new CollectedSpans();
        var backend = ScriptedBackend.Silent(BackendEvent.TextDelta("x"));
        await using var server = await LlmServer.StartAsync(backend);
        using var call = server.Client.Generate(new GenerateRequest { Prompt = "p", RequestId = "one" }, spans.Metadata, cancellationToken: Cancelled);
        (await call.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();

        await server.Client.CancelGenerationAsync(new CancelGenerationRequest { RequestId = "one" }, cancellationToken: Cancelled);
        await Answer.OfAsync(call);

        var span = await spans.CallEndedAsync();
        Told(spans).ShouldBe(["1 Unset gen_ai.response.finish_reasons=[cancelled] grpcllm.attempt.outcome=served"]);
        Told(span).ShouldBe("Unset gen_ai.response.finish_reasons=[cancelled] rpc.response.status_code=OK");
    }

    [Fact]
    public async Task UpstreamBreaksOff_MidStream_IsAnErrorOfBoth()
    {
        using var spans = new CollectedSpans();
        await using var upstream = TestUpstream.Start(static async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(Sse(Text("half")));
            await call.EndAsync();
        });
        await using var server = await StartAsync(upstream);

        await CallAsync(server, Prompt, spans);

        var span = await spans.CallEndedAsync();
        Told(spans).ShouldBe(["1 Error error.type=UPSTREAM_TRUNCATED grpcllm.attempt.outcome=served"]);
        Told(span).ShouldBe("Error error.type=UPSTREAM_TRUNCATED grpcllm.fault=upstream rpc.response.status_code=ABORTED");
        Tags(span, "gen_ai.usage.output").ShouldBe(["gen_ai.usage.output_tokens=1"]);
    }

    [Fact]
    public async Task NoTokenInTime_TheCallFails_TheAttemptWasGivenUp()
    {
        using var spans = new CollectedSpans();
        await using var upstream = TestUpstream.Start(static call => call.SilenceAsync());
        await using var server = await StartAsync(upstream, "GrpcLlm:Resilience:TotalTimeout=00:00:00.3", "GrpcLlm:Backends:up:FirstTokenTimeout=00:00:00.3");

        var answer = await CallAsync(server, Prompt, spans);

        var span = await spans.CallEndedAsync();
        answer.Reason.ShouldBe("FIRST_TOKEN_TIMEOUT");
        Told(span).ShouldBe("Error error.type=FIRST_TOKEN_TIMEOUT grpcllm.fault=upstream rpc.response.status_code=UNAVAILABLE");

        // The two timeouts race; either way the span ends once and says which it was.
        Told(spans).ShouldHaveSingleItem().ShouldBeOneOf(
            "1 Unset grpcllm.attempt.outcome=cancelled",
            "1 Error error.type=FIRST_TOKEN_TIMEOUT grpcllm.attempt.outcome=failed");
    }

    [Fact]
    public async Task BackendThatBreaksTheService_IsAnErrorOfBoth()
    {
        using var spans = new CollectedSpans();
        var backend = new ScriptedBackend(static (_, _) => throw new InvalidTimeZoneException("a bug"));
        await using var server = await LlmServer.StartAsync(backend);

        await CallAsync(server, Prompt, spans);

        var span = await spans.CallEndedAsync();
        Told(spans).ShouldBe(["1 Error error.type=INTERNAL grpcllm.attempt.outcome=failed"]);
        Told(span).ShouldBe("Error error.type=INTERNAL grpcllm.fault=service rpc.response.status_code=INTERNAL");
    }

    [Fact]
    public async Task RequestThatIsRefused_HasNoAttempt()
    {
        using var spans = new CollectedSpans();
        await using var server = await LlmServer.StartAsync();

        await CallAsync(server, new GenerateRequest { Model = "attacker's choice", Prompt = "p" }, spans);

        var span = await spans.CallEndedAsync();
        spans.Attempts.ShouldBeEmpty();
        Told(span).ShouldBe("Unset error.type=MODEL_NOT_FOUND grpcllm.fault=client rpc.response.status_code=NOT_FOUND");
        span.GetTagItem("gen_ai.request.model").ShouldBe("_other");
    }

    [Fact]
    public async Task DeadlineThatPasses_IsAnError()
    {
        using var spans = new CollectedSpans();
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Silent());
        var request = new GenerateRequest
        {
            Prompt = "p",
            Limits = new GenerationLimits { TimeBudget = Google.Protobuf.WellKnownTypes.Duration.FromTimeSpan(TimeSpan.FromMilliseconds(50)) },
        };

        await CallAsync(server, request, spans);

        Told(await spans.CallEndedAsync()).ShouldBe("Error error.type=DEADLINE grpcllm.fault=client rpc.response.status_code=DEADLINE_EXCEEDED");
        Told(spans).ShouldBe(["1 Unset grpcllm.attempt.outcome=cancelled"]);
    }

    private static IEnumerable<string> Told(CollectedSpans spans) =>
        spans.Attempts.Select(static span => $"{span.GetTagItem("grpcllm.attempt.number")} {Told(span)}");

    private static string Told(Activity span) => string.Join(' ', [$"{span.Status}", .. Tags(span, Ends)]);

    private static async Task<Answer> CallAsync(LlmServer server, GenerateRequest request, CollectedSpans spans)
    {
        using var call = server.Client.Generate(request, spans.Metadata, cancellationToken: Cancelled);
        return await Answer.OfAsync(call);
    }
}
