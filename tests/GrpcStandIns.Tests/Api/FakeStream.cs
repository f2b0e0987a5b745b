namespace GrpcStandIns.Tests.Api;

/// <summary>A stream in memory: gives the messages it was made with and keeps those written to it.</summary>
internal sealed class FakeStream(params string[] messages)
    : IAsyncStreamReader<string>, IClientStreamWriter<string>, IServerStreamWriter<string>
{
    private int _next;

    public string Current { get; private set; } = "";

    public List<string> Written { get; } = [];

    public List<CancellationToken> ReadTokens { get; } = [];

    public WriteOptions? WriteOptions { get; set; }

    public Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        ReadTokens.Add(cancellationToken);
        cancellationToken.ThrowIfCancellationRequested();
        if (_next == messages.Length) return Task.FromResult(false);

        Current = messages[_next++];
        return Task.FromResult(true);
    }

    public Task WriteAsync(string message)
    {
        Written.Add(message);
        return Task.CompletedTask;
    }

    public Task CompleteAsync() => Task.CompletedTask;
}
