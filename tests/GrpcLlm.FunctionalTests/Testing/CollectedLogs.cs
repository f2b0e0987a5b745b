using System.Collections.Concurrent;
using System.Text.Json;
using GrpcLlm.Server.Telemetry;
using Microsoft.Extensions.Logging;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>Keeps what was logged and hands out usage records as they come.</summary>
internal sealed class CollectedLogs : ILoggerProvider
{
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly System.Threading.Channels.Channel<JsonElement> _usage =
        System.Threading.Channels.Channel.CreateUnbounded<JsonElement>();

    /// <summary>Everything that was logged, with the text of exceptions.</summary>
    public IReadOnlyCollection<string> Lines => _lines;

    /// <summary>Lines of level Error and above.</summary>
    public IEnumerable<string> Errors => _lines.Where(static line =>
        line.StartsWith("Error", StringComparison.Ordinal) || line.StartsWith("Critical", StringComparison.Ordinal));

    /// <summary>The next usage record.</summary>
    public ValueTask<JsonElement> NextUsageAsync() => _usage.Reader.ReadAsync(TestContext.Current.CancellationToken);

    /// <summary>Usage records that nobody has taken yet.</summary>
    public int UsageWaiting => _usage.Reader.Count;

    public ILogger CreateLogger(string categoryName) => new Collector(this, categoryName);

    public void Dispose() => _usage.Writer.TryComplete();

    private sealed class Collector(CollectedLogs logs, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var text = formatter(state, exception);
            logs._lines.Enqueue($"{logLevel} {category} {eventId.Name} {text} {exception}");
            if (category == UsageRecordLog.Category) logs._usage.Writer.TryWrite(JsonDocument.Parse(text).RootElement);
        }
    }
}
