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
        record.Labels["project"] = "x\ny";
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
            "output_tokens", "usage_source", "streamed_tokens", "last_sequence", "queue_us", "ttft_us", "tpot_us", "total_us",
            "client_stall_us", "overhead_us", "request_bytes", "response_bytes", "labels",
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
        json.RootElement.TryGetProperty("finish_reason", out _).ShouldBeFalse();
        json.RootElement.TryGetProperty("ttft_us", out _).ShouldBeFalse();
    }

    [Fact]
    public void Write_IsOneLineUnderItsEvent()
    {
        var logger = new Logger();
        var record = Record();
        record.Labels["k"] = "a\r\nb\u2028c";

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
