using Microsoft.Extensions.Logging;

namespace GrpcLlm.Server.Tests.Testing;

/// <summary>Collects what is logged. Thread-safe.</summary>
internal sealed class CollectedEvents<T> : ILogger<T>
{
    private readonly Lock _gate = new();
    private readonly List<(string? Name, string Text)> _events = [];

    /// <summary>Names of the events, in order.</summary>
    public IReadOnlyList<string?> Names
    {
        get
        {
            lock (_gate) return [.. _events.Select(static one => one.Name)];
        }
    }

    /// <summary>All messages.</summary>
    public string Text
    {
        get
        {
            lock (_gate) return string.Join('\n', _events.Select(static one => one.Text));
        }
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (_gate) _events.Add((eventId.Name, formatter(state, exception)));
    }
}
