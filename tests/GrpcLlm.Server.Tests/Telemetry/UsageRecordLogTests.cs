using System.Text.Json;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;
using Microsoft.Extensions.Logging;

namespace GrpcLlm.Server.Tests.Telemetry;

public sealed class UsageRecordLogTests
{
    [Fact]
    public void Record_OfAFinish_HoldsTheBillAndNothingElse()
    {
        var record = Record();
        record.Model = "m";
        record.Tenant = new Tenant("team \"a\"");
        record.Labels = new Dictionary<string, string> { ["project"] = "x\ny" };
        record.Opening = new BackendOpening { InputTokens = 5, TokenCountSource = UsageSource.Counted };
        record.TokensArrived(2, 3, isReasoning: false);
        record.MessageSent(new TokenChunk { Sequence = 1, Text = "answer-text", TokenCount = 2, ElapsedUs = 4 });
        record.Finish(FinishReason.StopSequence, "stop-text");
        record.RequestBytes = 77;
        record.ResponseBytes = 88;

        using var json = JsonDocument.Parse(UsageRecordLog.ToJson(record));

        json.RootElement.EnumerateObject().Select(static property => property.Name).ShouldBe(
        [
            "accepted_at", "request_id", "tenant", "model", "backend", "attempts", "finish_reason", "input_tokens",
            "output_tokens", "usage_source", "streamed_tokens", "last_sequence", "queue_us", "ttft_us", "first_text_us", "tpot_us",
            "tpot_tokens", "total_us", "client_stall_us", "overhead_us", "request_bytes", "response_bytes", "attempt_log", "labels",
        ]);
        Text(json, "tenant").ShouldBe("team \"a\"");
        Text(json, "finish_reason").ShouldBe("stop_sequence");
        Text(json, "usage_source").ShouldBe("counted");
        Text(json, "accepted_at").ShouldBe("2030-01-01T00:00:00+00:00");
        json.RootElement.GetProperty("labels").GetProperty("project").GetString().ShouldBe("x\ny");
        json.RootElement.GetProperty("output_tokens").GetUInt32().ShouldBe(2u);
        json.RootElement.GetProperty("last_sequence").GetUInt64().ShouldBe(1UL);
        json.RootElement.GetProperty("response_bytes").GetInt64().ShouldBe(88);
        json.RootElement.ToString().ShouldNotContain("-text");
    }

    [Fact]
    public void Record_OfAFailureBeforeRouting_NamesReasonAndNoModel()
    {
        var record = Record();
        record.Fail(ErrorReason.ModelNotFound);

        using var json = JsonDocument.Parse(UsageRecordLog.ToJson(record));

        Text(json, "model").ShouldBe("_other");
        Text(json, "error_reason").ShouldBe("MODEL_NOT_FOUND");
        Text(json, "fault").ShouldBe("client");
        json.RootElement.TryGetProperty("finish_reason", out _).ShouldBeFalse();
        json.RootElement.TryGetProperty("ttft_us", out _).ShouldBeFalse();
    }

    [Fact]
    public void Record_OfSeveralAttempts_TellsEachWithTokensAndCost()
    {
        var record = new GenerationRecord(new CallClock(new FakeTimeProvider()), "r") { TraceId = "t", Price = new Price("EUR", 1, 0.5m, 2, 4) };
        record.Attempts.Add(new Attempt
        {
            Number = 1, Backend = "a", KeyLabel = "#0", Outcome = AttemptOutcome.Failed, ErrorReason = ErrorReason.UpstreamUnavailable,
            StartUs = 3, DurationUs = 4,
        });
        record.Attempts.Add(new Attempt
        {
            Number = 2, Backend = "b", Outcome = AttemptOutcome.Cancelled,
            Usage = new Usage { InputTokens = 7, Source = UsageSource.Estimated },
        });
        record.Attempts.Add(new Attempt { Number = 3, Backend = "c", Outcome = AttemptOutcome.Served, Hedged = true });
        record.Opening = new BackendOpening { Model = new string('m', 1000), ResponseId = new string('i', 1000) };
        record.Finish(new BackendEnding(FinishReason.Stop)
        {
            Usage = new Usage
            {
                InputTokens = 10, CachedInputTokens = 2, CacheWriteInputTokens = 3, OutputTokens = 1, Source = UsageSource.Estimated,
                InputSource = UsageSource.Reported,
            },
        });

        using var json = JsonDocument.Parse(UsageRecordLog.ToJson(record));

        json.RootElement.GetProperty("attempt_log").EnumerateArray().Select(static one => one.GetRawText()).ShouldBe(
        [
            """{"number":1,"backend":"a","key_label":"#0","outcome":"failed","error_reason":"UPSTREAM_UNAVAILABLE","hedged":false,"start_us":3,"duration_us":4}""",
            """{"number":2,"backend":"b","outcome":"cancelled","hedged":false,"start_us":0,"duration_us":0,"input_tokens":7,"output_tokens":0,"usage_source":"estimated","cost":0.000007,"cost_currency":"EUR"}""",
            """{"number":3,"backend":"c","outcome":"served","hedged":true,"start_us":0,"duration_us":0,"input_tokens":10,"cached_input_tokens":2,"cache_write_input_tokens":3,"output_tokens":1,"usage_source":"estimated","input_source":"reported","cost":0.000016,"cost_currency":"EUR"}""",
        ]);
        json.RootElement.GetProperty("cost").GetDecimal().ShouldBe(0.000023m);
        Text(json, "cost_currency").ShouldBe("EUR");
        Text(json, "trace_id").ShouldBe("t");
        Text(json, "backend_model").ShouldBe(new string('m', 256));
        Text(json, "backend_response_id").ShouldBe(new string('i', 128));
        Text(json, "input_source").ShouldBe("reported");
    }

    [Fact]
    public void Record_OfHostileNames_IsOneLineOfJson()
    {
        var record = Record();
        record.Labels = new Dictionary<string, string> { ["k"] = "\"}\u0000\u001b[2J\ud800" };
        record.Opening = new BackendOpening { Model = "m\r\nfake: line", ResponseId = "\u2028" };
        record.Attempts.Add(new Attempt { Backend = "b\n", KeyLabel = "\u0007" });

        var line = UsageRecordLog.ToJson(record);

        line.ShouldAllBe(static one => one >= ' ' && one < 0x7f);
        JsonDocument.Parse(line).RootElement.GetProperty("backend_model").GetString().ShouldBe("m\r\nfake: line");
    }

    [Fact]
    public void Write_IsOneLineUnderItsEvent()
    {
        var logger = new Logger();
        var record = Record();
        record.Labels = new Dictionary<string, string> { ["k"] = "a\r\nb\u2028c" };

        new UsageRecordLog(logger).Write(record);

        logger.Categories.ShouldBe(["GrpcLlm.Usage"]);
        var (id, line) = logger.Lines.ShouldHaveSingleItem();
        id.ShouldBe(new EventId(1, "UsageRecorded"));
        line.ShouldBe(UsageRecordLog.ToJson(record));
        line.IndexOfAny(['\r', '\n', '\u2028']).ShouldBe(-1);
    }

    private static string? Text(JsonDocument json, string name) => json.RootElement.GetProperty(name).GetString();

    private static GenerationRecord Record() => new(new CallClock(new FakeTimeProvider()), "r");

    private sealed class Logger : ILoggerFactory, ILogger
    {
        public List<string> Categories { get; } = [];

        public List<(EventId Id, string Line)> Lines { get; } = [];

        public ILogger CreateLogger(string categoryName)
        {
            Categories.Add(categoryName);
            return this;
        }

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel == LogLevel.Information;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => Lines.Add((eventId, formatter(state, exception)));

        public void Dispose()
        {
        }
    }
}
