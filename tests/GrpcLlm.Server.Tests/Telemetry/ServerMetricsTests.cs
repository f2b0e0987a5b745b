using System.Diagnostics.Metrics;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Telemetry;

/// <summary>Exact names, units, attributes, bounds and values of every instrument.</summary>
public sealed class ServerMetricsTests : IDisposable
{
    private const string Server =
        "gen_ai.operation.name=chat gen_ai.provider.name=grpcllm gen_ai.request.model=m gen_ai.response.model=m server.address=10.0.0.1 server.port=50051";

    private const string Upstream =
        "gen_ai.operation.name=chat gen_ai.provider.name=openai gen_ai.request.model=up-m gen_ai.response.model=up-m-2026 server.address=api.example server.port=443";

    private static readonly UpstreamIdentity Openai = new("b", "openai", "up-m", "api.example", 443);

    private readonly Measured _measured = new();
    private readonly FakeTimeProvider _time = new();

    public void Dispose() => _measured.Dispose();

    [Theory]
    [InlineData("gen_ai.server.request.duration", "s", typeof(Histogram<double>), "0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 5.12 10.24 20.48 40.96 81.92")]
    [InlineData("gen_ai.server.time_to_first_token", "s", typeof(Histogram<double>), "0.001 0.005 0.01 0.02 0.04 0.06 0.08 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10")]
    [InlineData("gen_ai.server.time_per_output_token", "s", typeof(Histogram<double>), "0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.075 0.1 0.15 0.2 0.3 0.4 0.5 0.75 1 2.5")]
    [InlineData("gen_ai.client.operation.duration", "s", typeof(Histogram<double>), "0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 5.12 10.24 20.48 40.96 81.92")]
    [InlineData("gen_ai.client.operation.time_to_first_chunk", "s", typeof(Histogram<double>), "0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 5.12 10.24 20.48 40.96 81.92")]
    [InlineData("gen_ai.client.operation.time_per_output_chunk", "s", typeof(Histogram<double>), "0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 5.12 10.24 20.48 40.96 81.92")]
    [InlineData("gen_ai.client.token.usage", "{token}", typeof(Histogram<long>), "1 4 16 64 256 1024 4096 16384 65536 262144 1048576 4194304 16777216 67108864")]
    [InlineData("grpcllm.stream.client_stall", "s", typeof(Histogram<double>), "0.001 0.005 0.01 0.05 0.1 0.5 1 5 10 30 60 120")]
    [InlineData("grpcllm.overhead", "s", typeof(Histogram<double>), "0.0001 0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5")]
    [InlineData("grpcllm.upstream.cancel_latency", "s", typeof(Histogram<double>), "0.0001 0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5")]
    [InlineData("grpcllm.streams.active", "{stream}", typeof(ObservableUpDownCounter<long>), "")]
    [InlineData("grpcllm.streams.finished", "{stream}", typeof(Counter<long>), "")]
    [InlineData("grpcllm.streams.rejected", "{stream}", typeof(Counter<long>), "")]
    [InlineData("grpcllm.tokens", "{token}", typeof(Counter<long>), "")]
    [InlineData("grpcllm.upstream.attempts", "{attempt}", typeof(Counter<long>), "")]
    public void Instrument_HasItsNameUnitAndBounds(string name, string unit, Type type, string bounds)
    {
        var instrument = _measured.Instruments.Single(one => one.Name == name);

        instrument.ShouldBeOfType(type);
        instrument.Unit.ShouldBe(unit);
        instrument.Description.ShouldNotBeNullOrEmpty();
        instrument.Meter.Name.ShouldBe("GrpcLlm.Server");
        instrument.Meter.TelemetrySchemaUrl.ShouldBe("https://opentelemetry.io/schemas/1.41.0");
        var advised = instrument switch
        {
            Histogram<double> { Advice.HistogramBucketBoundaries: { } seconds } => seconds,
            Histogram<long> { Advice.HistogramBucketBoundaries: { } tokens } => tokens.Select(static one => (double)one),
            _ => [],
        };
        string.Join(' ', advised.Select(static bound => FormattableString.Invariant($"{bound}"))).ShouldBe(bounds);
    }

    [Fact]
    public void Instruments_AreAllListedAbove() => _measured.Instruments.Count.ShouldBe(15);

    [Fact]
    public void Success_IsMeasuredTowardsClientAndUpstream()
    {
        var record = Served(new Usage { InputTokens = 5, OutputTokens = 9, Source = UsageSource.Reported });
        record.ClientStallMicroseconds = 40_000;

        _measured.Metrics.CallEnded(record);

        _measured.Of("gen_ai.server.time_to_first_token").ShouldBe([$"0.3 {Server}"]);
        _measured.Of("gen_ai.server.time_per_output_token").ShouldBe([$"0.05 {Server}"], "0.4 s for 8 tokens after the first");
        _measured.Of("gen_ai.server.request.duration").ShouldBe([$"1 {Server}"]);
        _measured.Of("grpcllm.overhead").ShouldBe(["0.15 gen_ai.request.model=m"]);
        _measured.Of("grpcllm.stream.client_stall").ShouldBe(["0.04 gen_ai.request.model=m"]);
        _measured.Of("grpcllm.streams.finished").ShouldBe(["1 fault=none reason=stop"]);
        _measured.Of("grpcllm.streams.rejected").ShouldBeEmpty();
        _measured.Of("grpcllm.tokens").ShouldBe(
        [
            "5 gen_ai.request.model=m gen_ai.token.type=input source=reported tenant=team",
            "9 gen_ai.request.model=m gen_ai.token.type=output source=reported tenant=team",
        ]);
        _measured.Of("gen_ai.client.operation.duration").ShouldBe([$"0.9 {Upstream}"]);
        _measured.Of("gen_ai.client.operation.time_to_first_chunk").ShouldBe([$"0.15 {Upstream}"]);
        _measured.Of("gen_ai.client.operation.time_per_output_chunk").ShouldBe([$"0.2 {Upstream}"], "0.4 s for 2 chunks after the first");
        _measured.Of("gen_ai.client.token.usage").ShouldBe(
        [
            "5 " + Upstream.Replace(" server.address", " gen_ai.token.type=input server.address", StringComparison.Ordinal),
            "9 " + Upstream.Replace(" server.address", " gen_ai.token.type=output server.address", StringComparison.Ordinal),
        ]);
        _measured.Of("grpcllm.upstream.attempts").ShouldBe(["1 backend=b outcome=served"]);
        _measured.Of("grpcllm.upstream.cancel_latency").ShouldBeEmpty();
    }

    [Fact]
    public void Tokens_ThatNobodyCounted_AreNotReportedAsUsage()
    {
        var record = Served(new Usage
        {
            InputTokens = 5, InputSource = UsageSource.Reported, OutputTokens = 9, Source = UsageSource.Estimated,
        });

        _measured.Metrics.CallEnded(record);

        _measured.Of("gen_ai.client.token.usage").ShouldHaveSingleItem().ShouldContain("gen_ai.token.type=input");
        _measured.Of("grpcllm.tokens").ShouldBe(
        [
            "5 gen_ai.request.model=m gen_ai.token.type=input source=reported tenant=team",
            "9 gen_ai.request.model=m gen_ai.token.type=output source=estimated tenant=team",
        ]);
    }

    [Fact]
    public void Failure_AfterTokens_NamesItsReasonOnBothSides()
    {
        var record = Served(new Usage { OutputTokens = 9, Source = UsageSource.Reported });
        record.Fail(ErrorReason.UpstreamStalled);

        _measured.Metrics.CallEnded(record);

        _measured.Of("gen_ai.server.time_per_output_token").ShouldBeEmpty("of successes only");
        _measured.Of("gen_ai.server.request.duration").ShouldBe([$"1 error.type=UPSTREAM_STALLED {Server}"]);
        _measured.Of("gen_ai.client.operation.duration").ShouldBe([$"0.9 error.type=UPSTREAM_STALLED {Upstream}"]);
        _measured.Of("grpcllm.upstream.attempts").ShouldBe(["1 backend=b error.type=UPSTREAM_STALLED outcome=served"]);
        _measured.Of("grpcllm.streams.finished").ShouldBe(["1 fault=upstream reason=upstream_stalled"]);
    }

    [Fact]
    public void Attempts_ThatDidNotServe_AreMeasuredEach()
    {
        var record = Record();
        record.Attempts.Add(new Attempt
        {
            Outcome = AttemptOutcome.Failed, ErrorReason = ErrorReason.UpstreamRateLimited, DurationUs = 20_000,
            Usage = new Usage { InputTokens = 3, Source = UsageSource.Reported },
        });
        record.Attempts.Add(new Attempt { Outcome = AttemptOutcome.Cancelled, DurationUs = 30_000 });
        record.Upstreams.AddRange([Openai, new UpstreamIdentity("local", "embedded", "tales", null, null)]);
        record.Backend = "local";
        record.Fail(ErrorReason.ClientCancelled);
        record.UpstreamStopped(TimeSpan.FromMilliseconds(2));

        _measured.Metrics.CallEnded(record);

        _measured.Of("grpcllm.upstream.attempts").ShouldBe(
            ["1 backend=b error.type=UPSTREAM_RATE_LIMITED outcome=failed", "1 backend=local error.type=CANCELLED outcome=cancelled"]);
        _measured.Of("gen_ai.client.operation.duration").ShouldBe(
        [
            "0.02 error.type=UPSTREAM_RATE_LIMITED gen_ai.operation.name=chat gen_ai.provider.name=openai gen_ai.request.model=up-m server.address=api.example server.port=443",
            "0.03 error.type=CANCELLED gen_ai.operation.name=chat gen_ai.provider.name=embedded gen_ai.request.model=tales",
        ]);
        _measured.Of("grpcllm.upstream.cancel_latency").ShouldBe(["0.002 backend=local"]);
        _measured.Of("grpcllm.stream.client_stall").ShouldBeEmpty("nothing was sent");
        _measured.Of("grpcllm.streams.rejected").ShouldBeEmpty("it was tried");
    }

    [Theory]
    [InlineData(ErrorReason.InvalidRequest, true)]
    [InlineData(ErrorReason.ModelNotFound, true)]
    [InlineData(ErrorReason.Unauthenticated, true)]
    [InlineData(ErrorReason.ModelForbidden, true)]
    [InlineData(ErrorReason.QuotaExceeded, true)]
    [InlineData(ErrorReason.Overloaded, true)]
    [InlineData(ErrorReason.Draining, true)]
    [InlineData(ErrorReason.ClientCancelled, false)]
    [InlineData(ErrorReason.Deadline, false)]
    [InlineData(ErrorReason.Internal, false)]
    public void Rejection_IsARefusalBeforeAnyAttempt(ErrorReason reason, bool isRejection)
    {
        var record = new GenerationRecord(new CallClock(_time), "r") { Tenant = new Tenant("team") };
        record.Fail(reason);

        _measured.Metrics.CallEnded(record);

        var name = Names<ErrorReason>.LowerOf(reason);
        _measured.Of("grpcllm.streams.rejected").ShouldBe(isRejection ? [$"1 reason={name} tenant=team"] : []);
        _measured.Of("gen_ai.server.request.duration").ShouldBe(
            [$"0 error.type={Names<ErrorReason>.Of(reason)} gen_ai.operation.name=chat gen_ai.provider.name=grpcllm gen_ai.request.model=_other"]);
    }

    [Fact]
    public void Finished_TellsWhoseFaultItWas()
    {
        foreach (var reason in (ErrorReason[])[ErrorReason.Deadline, ErrorReason.Internal, ErrorReason.UpstreamFailed])
        {
            var record = Record();
            record.Fail(reason);
            _measured.Metrics.CallEnded(record);
        }

        _measured.Of("grpcllm.streams.finished").ShouldBe(
            ["1 fault=client reason=deadline", "1 fault=service reason=internal", "1 fault=upstream reason=upstream_failed"]);
    }

    [Fact]
    public void Labels_AndRequestIds_AreInNoAttribute()
    {
        var record = Served(new Usage { OutputTokens = 9, Source = UsageSource.Reported });
        record.Labels = new Dictionary<string, string> { ["project"] = "secret-label" };

        _measured.Metrics.CallEnded(record);

        _measured.Instruments.SelectMany(instrument => _measured.Of(instrument.Name))
            .ShouldAllBe(static one => !one.Contains("secret-label") && !one.Contains("the-request"));
    }

    [Fact]
    public void ModelsThatUpstreamsTell_AreBounded()
    {
        for (var index = 0; index < 1000; index++)
        {
            var record = Served(new Usage { OutputTokens = 9, Source = UsageSource.Reported });
            record.Opening = new BackendOpening { Model = $"model-{index}", TokenCountSource = UsageSource.Counted };
            _measured.Metrics.CallEnded(record);
        }

        _measured.Of("gen_ai.client.operation.duration").Distinct().Count().ShouldBe(ServerMetrics.MaxResponseModels + 1);
        _measured.Of("gen_ai.client.operation.duration")[^1].ShouldContain("gen_ai.response.model=_other");
    }

    private GenerationRecord Record() => new(new CallClock(_time), "the-request")
    {
        Metrics = _measured.Metrics, Tenant = new Tenant("team"), Model = "m", Backend = "b",
        LocalAddress = "10.0.0.1", LocalPort = 50051,
    };

    /// <summary>Nine tokens in three chunks: the first after 0.25 s, the last after 0.65 s; 1 s in all.</summary>
    private GenerationRecord Served(Usage usage)
    {
        var record = Record();
        record.Attempts.Add(new Attempt { Outcome = AttemptOutcome.Served, StartUs = 100_000 });
        record.Upstreams.Add(Openai);
        record.Opening = new BackendOpening { Model = "up-m-2026", TokenCountSource = UsageSource.Counted };
        record.QueueMicroseconds = 50_000;
        record.WaitingMicroseconds = 800_000;
        record.TokensArrived(3, 250_000, isReasoning: false);
        record.MessageSent(new TokenChunk { Text = "t", ElapsedUs = 300_000 });
        record.TokensArrived(3, 500_000, isReasoning: false);
        record.TokensArrived(3, 650_000, isReasoning: false);
        record.MessageSent(new TokenChunk { Text = "t", ElapsedUs = 660_000 });
        record.Finish(new BackendEnding(FinishReason.Stop) { Usage = usage });
        _time.Advance(TimeSpan.FromSeconds(1));
        return record;
    }
}
