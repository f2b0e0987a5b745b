using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;
using Microsoft.Extensions.Logging;

namespace GrpcLlm.FunctionalTests.Telemetry;

/// <summary>
/// Every way in which a call can end (<see cref="Endings"/>): each leaves exactly one usage record and one count with the
/// right reason and fault, and no call in any gauge.
/// </summary>
public sealed class EveryEndTests
{
    // Requests that would end so are refused with INVALID_REQUEST, until these features are served.
    private static readonly ErrorReason[] NotServedYet = [ErrorReason.CacheMiss, ErrorReason.ResumeUnavailable];

    public static TheoryData<string> Names => [.. Endings.All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task End_IsOneRecordAndOneCount(string name)
    {
        var way = Endings.All[name];
        var backend = way.Backend();
        await using var server = await LlmServer.StartAsync(backend, way.Settings);

        await way.Run(server, backend);

        await Eventually.IsAsync(() => server.Metrics.AllFinished >= way.Ends.Count && server.Metrics.Active == 0);

        // Whatever still runs is waited for, so nothing is told afterwards.
        if (!way.Stops) await server.StopAsync();
        var recorded = new List<string>();
        while (server.Logs.UsageWaiting > 0) recorded.Add(ReasonOf(await server.Logs.NextUsageAsync()));
        recorded.Order(StringComparer.Ordinal).ShouldBe(way.Ends.Select(static end => end.Reason).Order(StringComparer.Ordinal));
        server.Metrics.AllFinished.ShouldBe(way.Ends.Count);
        foreach (var end in way.Ends.GroupBy(static end => end))
            server.Metrics.Finished(end.Key.Reason, end.Key.Fault).ShouldBe(end.Count(), $"{end.Key}");
        server.Metrics.Of("gen_ai.server.request.duration").Count.ShouldBe(way.Ends.Count);
        foreach (var state in (string[])["queued", "waiting_for_first_token", "streaming", "stalled"])
            server.Metrics.ActiveIn(state).ShouldBe(0, state);
    }

    [Fact]
    public void Ends_OfEveryReason_AreThere()
    {
        var told = Endings.All.Values.SelectMany(static way => way.Ends).Select(static end => end.Reason).ToHashSet();

        var missing = Enum.GetValues<FinishReason>().Where(static reason => reason != FinishReason.Unspecified)
            .Select(static reason => Server.Requests.Names<FinishReason>.LowerOf(reason))
            .Concat(Enum.GetValues<ErrorReason>().Where(static reason => reason != ErrorReason.Unspecified)
                .Except(NotServedYet).Select(static reason => Server.Requests.Names<ErrorReason>.LowerOf(reason)))
            .Where(reason => !told.Contains(reason));

        missing.ShouldBeEmpty();
    }

    [Fact]
    public async Task UsageRecord_ThatCannotBeWritten_LeavesTheCountsRight()
    {
        await using var server = await LlmServer.StartAsync(
            ScriptedBackend.Text("ok"), static builder => builder.Logging.AddProvider(new BrokenLog()));

        await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" });

        await Eventually.IsAsync(() => server.Metrics.Active == 0 && server.Metrics.AllFinished == 1);
        server.Metrics.Finished("stop", "none").ShouldBe(1);
    }

    private static string ReasonOf(System.Text.Json.JsonElement record) =>
        record.TryGetProperty("finish_reason", out var finish) ? finish.GetString()!
            : record.GetProperty("error_reason").GetString()!.ToLowerInvariant();

    private sealed class BrokenLog : ILoggerProvider, ILogger
    {
        private bool _isUsage;

        public ILogger CreateLogger(string categoryName) => new BrokenLog { _isUsage = categoryName == UsageRecordLog.Category };

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (_isUsage) throw new IOException("The disk is full.");
        }

        public void Dispose()
        {
        }
    }
}
