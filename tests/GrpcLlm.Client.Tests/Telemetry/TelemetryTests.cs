using System.Diagnostics;
using System.Diagnostics.Metrics;
using Grpc.Core;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests.Telemetry;

[Collection(TelemetryAlone.Name)]
public sealed class TelemetryTests
{
    private const string Secret = "what the user wrote";

    private static readonly double[] Seconds =
        [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

    private static readonly long[] PowersOfFour =
        [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Generation_Success_IsASpan()
    {
        await using var server = await TestServer.StartAsync();
        using var telemetry = new CollectedTelemetry();
        var time = new FakeTimeProvider();
        await using var client = ClientOf(server, telemetry, time);
        server.Service.OnGenerate = async (_, stream, context) =>
        {
            time.Advance(TimeSpan.FromSeconds(2));
            foreach (var chunk in Chunks.Answer()) await stream.WriteAsync(chunk, context.CancellationToken);
        };

        await client.GenerateTextAsync(new GenerateRequest { RequestId = "mine", Model = "tiny-alias", Prompt = Secret }, cancellationToken: Token);

        var span = telemetry.Spans.Single();
        span.DisplayName.ShouldBe("chat tiny-alias");
        span.Kind.ShouldBe(ActivityKind.Client);
        span.Source.TelemetrySchemaUrl.ShouldBe("https://opentelemetry.io/schemas/1.41.0");
        span.Status.ShouldBe(ActivityStatusCode.Unset);
        Tags(span).ShouldBe(new Dictionary<string, object?>
        {
            ["gen_ai.operation.name"] = "chat",
            ["gen_ai.provider.name"] = "grpcllm",
            ["gen_ai.request.model"] = "tiny-alias",
            ["gen_ai.request.stream"] = true,
            ["gen_ai.response.model"] = "tiny",
            ["gen_ai.response.finish_reasons"] = "stop",
            ["gen_ai.response.time_to_first_chunk"] = 2.0,
            ["gen_ai.usage.input_tokens"] = 3L,
            ["gen_ai.usage.output_tokens"] = 2L,
            ["server.address"] = "127.0.0.1",
            ["server.port"] = server.Address.Port,
            ["grpcllm.request_id"] = "mine",
            ["grpcllm.attempts"] = 1,
        }, ignoreOrder: true);
    }

    [Fact]
    public async Task Generation_Success_IsMeasured()
    {
        await using var server = await TestServer.StartAsync();
        using var telemetry = new CollectedTelemetry();
        var time = new FakeTimeProvider();
        await using var client = ClientOf(server, telemetry, time);
        server.Service.OnGenerate = async (_, stream, context) =>
        {
            time.Advance(TimeSpan.FromSeconds(2));
            foreach (var chunk in Chunks.Answer()) await stream.WriteAsync(chunk, context.CancellationToken);
        };

        await foreach (var _ in client.GenerateAsync(new GenerateRequest { Model = "tiny" }, cancellationToken: Token))
            time.Advance(TimeSpan.FromMilliseconds(250));

        telemetry.Of("gen_ai.client.operation.time_to_first_chunk").Single().Value.ShouldBe(2.0);
        telemetry.Of("gen_ai.client.operation.time_per_output_chunk").Select(m => m.Value).ShouldBe([0.25, 0.25]);
        var duration = telemetry.Of("gen_ai.client.operation.duration").Single();
        duration.Value.ShouldBe(2.75);
        duration.Tags.ShouldBe(new Dictionary<string, object?>
        {
            ["gen_ai.operation.name"] = "chat",
            ["gen_ai.provider.name"] = "grpcllm",
            ["gen_ai.request.model"] = "tiny",
            ["gen_ai.response.model"] = "tiny",
            ["server.address"] = "127.0.0.1",
            ["server.port"] = server.Address.Port,
        }, ignoreOrder: true);
        telemetry.Of("gen_ai.client.token.usage").Select(m => (m.Tags["gen_ai.token.type"], m.Value))
            .ShouldBe([("input", 3.0), ("output", 2.0)]);
    }

    [Fact]
    public void Instruments_HaveUnitAndBuckets()
    {
        using var telemetry = new CollectedTelemetry();
        using var client = new GrpcLlmClient(new Uri("http://localhost:1"), new GrpcLlmClientOptions { MeterFactory = telemetry.Meters });

        telemetry.Instruments.Select(instrument => (instrument.Name, instrument.Unit)).ShouldBe(
        [
            ("gen_ai.client.operation.duration", "s"),
            ("gen_ai.client.operation.time_to_first_chunk", "s"),
            ("gen_ai.client.operation.time_per_output_chunk", "s"),
            ("gen_ai.client.token.usage", "{token}"),
        ], ignoreOrder: true);
        foreach (var histogram in telemetry.Instruments.OfType<Histogram<double>>())
            histogram.Advice!.HistogramBucketBoundaries.ShouldBe(Seconds);
        telemetry.Instruments.OfType<Histogram<long>>().Single().Advice!.HistogramBucketBoundaries.ShouldBe(PowersOfFour);
        telemetry.Instruments[0].Meter.TelemetrySchemaUrl.ShouldBe("https://opentelemetry.io/schemas/1.41.0");
    }

    [Theory]
    [InlineData("UPSTREAM_STALLED", StatusCode.Aborted, "UPSTREAM_STALLED")]
    [InlineData("MODEL_NOT_FOUND", StatusCode.NotFound, "MODEL_NOT_FOUND")]
    [InlineData("NEWER_THAN_THE_CLIENT", StatusCode.FailedPrecondition, "FAILED_PRECONDITION")]
    public async Task Generation_Failed_IsAnErrorByItsReason(string reason, StatusCode status, string expected)
    {
        await using var server = await TestServer.StartAsync();
        using var telemetry = new CollectedTelemetry();
        await using var client = ClientOf(server, telemetry);
        server.Service.StreamsThenFails(ServerFailure.Of(status, reason, Secret, streamedTokens: 5));

        await Should.ThrowAsync<GenerationException>(client.GenerateTextAsync("hi", cancellationToken: Token));

        var span = telemetry.Spans.Single();
        span.Status.ShouldBe(ActivityStatusCode.Error);
        span.GetTagItem("error.type").ShouldBe(expected);
        span.GetTagItem("gen_ai.usage.output_tokens").ShouldBe(5L);
        Tags(span).Values.OfType<string>().ShouldNotContain(value => value.Contains(Secret, StringComparison.Ordinal));
        telemetry.Of("gen_ai.client.operation.duration").Single().Tags["error.type"].ShouldBe(expected);
        telemetry.Of("gen_ai.client.operation.time_to_first_chunk").ShouldBeEmpty();
    }

    [Fact]
    public async Task Generation_Truncated_IsAnError()
    {
        await using var server = await TestServer.StartAsync();
        using var telemetry = new CollectedTelemetry();
        await using var client = ClientOf(server, telemetry);
        server.Service.Streams(Chunks.First("Hello"));

        await Should.ThrowAsync<GenerationException>(client.GenerateTextAsync("hi", cancellationToken: Token));

        telemetry.Spans.Single().GetTagItem("error.type").ShouldBe("TRUNCATED");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Generation_EndedByItsCaller_IsCancelledAndNoError(bool byToken)
    {
        await using var server = await TestServer.StartAsync();
        using var telemetry = new CollectedTelemetry();
        await using var client = ClientOf(server, telemetry);
        server.Service.StreamsThenHangs(Chunks.First("Hello"));
        using var cancel = new CancellationTokenSource();

        try
        {
            await foreach (var _ in client.GenerateAsync(new GenerateRequest(), cancellationToken: cancel.Token))
            {
                if (!byToken) break;
                await cancel.CancelAsync();
            }
        }
        catch (OperationCanceledException) when (byToken)
        {
            // What the token is for.
        }

        var span = telemetry.Spans.Single();
        span.GetTagItem("error.type").ShouldBe("CANCELLED");
        span.Status.ShouldBe(ActivityStatusCode.Unset);
        telemetry.Of("gen_ai.client.operation.duration").Single().Tags["error.type"].ShouldBe("CANCELLED");
    }

    [Theory]
    [InlineData(UsageSource.Estimated, UsageSource.Unspecified, "")]
    [InlineData(UsageSource.Estimated, UsageSource.Counted, "input")]
    [InlineData(UsageSource.Unspecified, UsageSource.Unspecified, "")]
    [InlineData(UsageSource.Reported, UsageSource.Unspecified, "input,output")]
    public async Task Tokens_NotCounted_AreNotMeasured(UsageSource source, UsageSource inputSource, string expected)
    {
        await using var server = await TestServer.StartAsync();
        using var telemetry = new CollectedTelemetry();
        await using var client = ClientOf(server, telemetry);
        var end = Chunks.End(1);
        (end.Finish.Usage.Source, end.Finish.Usage.InputSource) = (source, inputSource);
        server.Service.Streams(end);

        await client.GenerateTextAsync("hi", cancellationToken: Token);

        string.Join(',', telemetry.Of("gen_ai.client.token.usage").Select(m => m.Tags["gen_ai.token.type"])).ShouldBe(expected);
    }

    [Fact]
    public async Task Attempts_BelongToOneSpan()
    {
        await using var server = await TestServer.StartAsync();
        using var telemetry = new CollectedTelemetry();
        await using var client = ClientOf(server, telemetry);
        var parents = new List<string?>();
        server.Service.OnGenerate = (_, stream, context) =>
        {
            parents.Add(context.RequestHeaders.GetValue("traceparent"));
            if (parents.Count == 1)
                throw ServerFailure.Of(StatusCode.Unavailable, "DRAINING", "bye", retrySafe: true, pushback: "0");
            return stream.WriteAsync(Chunks.End(1), context.CancellationToken);
        };

        await client.GenerateTextAsync("hi", cancellationToken: Token);

        var span = telemetry.Spans.Single();
        span.GetTagItem("grpcllm.attempts").ShouldBe(2);
        span.Status.ShouldBe(ActivityStatusCode.Unset);
        parents.Count.ShouldBe(2);
        parents.ShouldAllBe(parent => parent!.StartsWith($"00-{span.TraceId}-", StringComparison.Ordinal));
    }

    [Fact]
    public async Task TraceContext_OfTheSpan_ReachesTheServerAndNotTheReader()
    {
        await using var server = await TestServer.StartAsync();
        using var telemetry = new CollectedTelemetry();
        await using var client = ClientOf(server, telemetry);
        string? parent = null;
        server.Service.OnGenerate = async (_, stream, context) =>
        {
            parent = context.RequestHeaders.GetValue("traceparent");
            foreach (var chunk in Chunks.Answer()) await stream.WriteAsync(chunk, context.CancellationToken);
        };
        using var around = new Activity("around").Start();

        await foreach (var _ in client.GenerateAsync(new GenerateRequest(), cancellationToken: Token))
            Activity.Current.ShouldBe(around);

        Activity.Current.ShouldBe(around);
        var span = telemetry.Spans.Single();
        span.ParentSpanId.ShouldBe(around.SpanId);
        parent.ShouldBe($"00-{around.TraceId}-{span.SpanId}-01");
    }

    [Fact]
    public async Task TraceContext_OfTheCaller_ReachesTheServerWhenNobodyListens()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        string? parent = null;
        server.Service.OnGenerate = (_, stream, context) =>
        {
            parent = context.RequestHeaders.GetValue("traceparent");
            return stream.WriteAsync(Chunks.End(1), context.CancellationToken);
        };
        using var around = new Activity("around").SetIdFormat(ActivityIdFormat.W3C).Start();

        await client.GenerateTextAsync("hi", cancellationToken: Token);

        parent.ShouldStartWith($"00-{around.TraceId}-");
    }

    private static GrpcLlmClient ClientOf(TestServer server, CollectedTelemetry telemetry, TimeProvider? time = null) => new(
        server.Address, new GrpcLlmClientOptions { MeterFactory = telemetry.Meters, TimeProvider = time ?? TimeProvider.System });

    private static Dictionary<string, object?> Tags(Activity span) => span.TagObjects.ToDictionary(
        tag => tag.Key, tag => tag.Value is string[] words ? string.Join(',', words) : tag.Value);
}
