using System.Diagnostics.Metrics;
using System.Text.Json;
using GrpcLlm.FunctionalTests.Resilience;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;
using Microsoft.Extensions.DependencyInjection;
using static GrpcLlm.FunctionalTests.Upstreams.OpenAiSetup;

namespace GrpcLlm.FunctionalTests.Telemetry;

/// <summary>What a call costs is the same in finish, summary, usage record and counter, for whatever attempts it made.</summary>
public sealed class CostTests
{
    private const string Usage = """{"choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":100,"prompt_tokens_details":{"cached_tokens":400}}}""";

    private static readonly string[] Price =
    [
        "GrpcLlm:Models:m:Price:Currency=EUR", "GrpcLlm:Models:m:Price:Input=2.5", "GrpcLlm:Models:m:Price:CachedInput=1.25",
        "GrpcLlm:Models:m:Price:Output=10",
    ];

    [Fact]
    public async Task Call_CostsWhatItsTokensDo()
    {
        await using var upstream = TestUpstream.Of(Sse(Text("x"), Stop, Usage));
        await using var server = await StartAsync(upstream, Price);
        using var counter = new CostCounter(server);

        var answer = await Answer.OfAsync(server, Prompt);

        // 600 at 2.5, 400 at 1.25, 100 at 10, per million.
        var cost = new Money { CurrencyCode = "EUR", Nanos = 3_000_000 };
        answer.Finish.Cost.ShouldBe(cost);
        answer.Summary.Cost.ShouldBe(cost);
        var record = await server.Logs.NextUsageAsync();
        record.GetProperty("cost").GetDecimal().ShouldBe(0.003m);
        record.GetProperty("cost_currency").GetString().ShouldBe("EUR");
        counter.Told.ShouldBe(["0.003 currency=EUR gen_ai.request.model=m outcome=served hedged=False source=reported"]);
    }

    [Fact]
    public async Task HedgedCall_PaysForTheOneThatWasGivenUpToo_AndSaysThatItIsAnEstimate()
    {
        await using var slow = TestUpstream.Start(static call => call.SilenceAsync());
        await using var fast = TestUpstream.Of(Sse(Text("x"), Stop, Usage));
        await using var server = await RoutesSetup.StartAsync([slow, fast], [.. Price, "GrpcLlm:Resilience:HedgeAfter=00:00:00.3"]);
        using var counter = new CostCounter(server);

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = new string('p', 400) });

        // A hundred tokens of input more, by estimate.
        answer.Finish.Cost.ShouldBe(new Money { CurrencyCode = "EUR", Nanos = 3_250_000 });
        answer.Finish.Usage.InputTokens.ShouldBe(1000u);
        answer.Summary.AttemptLog[0].Usage.ShouldBe(new Usage { InputTokens = 100, Source = UsageSource.Estimated });
        Attempts(await server.Logs.NextUsageAsync()).ShouldBe(
        [
            "a cancelled hedged=False 100+0 estimated 0.00025 EUR",
            "b served hedged=True 1000+100 reported 0.003 EUR",
        ]);
        counter.Told.Order(StringComparer.Ordinal).ShouldBe(
        [
            "0.00025 currency=EUR gen_ai.request.model=m outcome=cancelled hedged=False source=estimated",
            "0.003 currency=EUR gen_ai.request.model=m outcome=served hedged=True source=reported",
        ]);
    }

    [Fact]
    public async Task CallThatBreaksOff_PaysForWhatCame_AndForItsInputByEstimate()
    {
        await using var upstream = TestUpstream.Start(static async call =>
        {
            await call.HeadAsync();
            await call.WriteAsync(Sse(Text("a"), Text("b")));
            await call.EndAsync();
        });
        await using var server = await StartAsync(upstream, Price);

        var answer = await Answer.OfAsync(server, new GenerateRequest { Prompt = new string('p', 400) });

        answer.Reason.ShouldBe("UPSTREAM_TRUNCATED");
        answer.Summary.Usage.ShouldBe(new Usage { InputTokens = 100, OutputTokens = 2, Source = UsageSource.Estimated });
        answer.Summary.Cost.ShouldBe(new Money { CurrencyCode = "EUR", Nanos = 270_000 });
    }

    [Fact]
    public async Task FailedAttempt_ThatReportedNothing_CostsNothing()
    {
        await using var refusing = RoutesSetup.Refusing(503);
        await using var serving = TestUpstream.Of(Sse(Text("x"), Stop, Usage));
        await using var server = await RoutesSetup.StartAsync([refusing, serving], Price);

        (await Answer.OfAsync(server, Prompt)).Finish.Cost.Nanos.ShouldBe(3_000_000);

        var log = (await server.Logs.NextUsageAsync()).GetProperty("attempt_log");
        log[0].GetProperty("error_reason").GetString().ShouldBe("UPSTREAM_UNAVAILABLE");
        log[0].TryGetProperty("cost", out _).ShouldBeFalse();
        log[0].TryGetProperty("output_tokens", out _).ShouldBeFalse();
    }

    [Fact]
    public async Task ModelWithoutAPrice_TellsNoCost()
    {
        await using var upstream = TestUpstream.Of(Sse(Text("x"), Stop, Usage));
        await using var server = await StartAsync(upstream);
        using var counter = new CostCounter(server);

        var answer = await Answer.OfAsync(server, Prompt);

        answer.Finish.Cost.ShouldBeNull();
        answer.Summary.Cost.ShouldBeNull();
        (await server.Logs.NextUsageAsync()).ToString().ShouldNotContain("cost");
        counter.Told.ShouldBeEmpty();
    }

    private static IEnumerable<string> Attempts(JsonElement record) => record.GetProperty("attempt_log").EnumerateArray().Select(
        static one => $"{one.GetProperty("backend")} {one.GetProperty("outcome")} hedged={one.GetProperty("hedged")} "
            + $"{one.GetProperty("input_tokens")}+{one.GetProperty("output_tokens")} {one.GetProperty("usage_source")} "
            + $"{one.GetProperty("cost")} {one.GetProperty("cost_currency")}");

    /// <summary>What one server's counter of costs was told.</summary>
    private sealed class CostCounter : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly System.Collections.Concurrent.ConcurrentQueue<string> _told = new();

        public CostCounter(LlmServer server)
        {
            var scope = server.Services.GetRequiredService<IMeterFactory>();
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == TelemetryNames.Cost && ReferenceEquals(instrument.Meter.Scope, scope)) listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<double>((_, value, tags, _) =>
                _told.Enqueue(FormattableString.Invariant($"{value}") + string.Concat(tags.ToArray().Select(static tag => $" {tag.Key}={tag.Value}"))));
            _listener.Start();
        }

        public IReadOnlyCollection<string> Told => _told;

        public void Dispose() => _listener.Dispose();
    }
}
