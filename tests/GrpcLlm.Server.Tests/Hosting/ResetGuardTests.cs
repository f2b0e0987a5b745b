using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Tests.Testing;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace GrpcLlm.Server.Tests.Hosting;

/// <summary>Which calls count against their connection, and when it is ended. Over real sockets: Hostile/ResetTests.</summary>
public sealed class ResetGuardTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly Connection _connection = new();
    private readonly ResetGuard _guard;

    public ResetGuardTests() => _guard = new ResetGuard(_time);

    [Fact]
    public async Task BrokenOff_OnceMoreThanAllowed_EndsTheConnection()
    {
        await CallAsync(ResetGuard.MaxBroken, broken: true);
        _connection.IsAborted.ShouldBeFalse();

        await CallAsync(1, broken: true);

        _connection.IsAborted.ShouldBeTrue();
    }

    [Fact]
    public async Task BrokenOff_OnManyConnections_EndsNone()
    {
        var connections = new List<Connection>();
        for (var connection = 0; connection < 3; connection++)
        {
            connections.Add(new Connection());
            await CallAsync(ResetGuard.MaxBroken, broken: true, on: connections[^1]);
        }

        connections.ShouldAllBe(static connection => !connection.IsAborted);
    }

    [Fact]
    public async Task ThreeInFour_ForEver_IsAllowed()
    {
        for (var call = 0; call < 10 * ResetGuard.Window; call++) await CallAsync(1, broken: call % 4 != 0);

        _connection.IsAborted.ShouldBeFalse();
    }

    [Fact]
    public async Task BrokenOff_LaterThanEarly_CountsNothing()
    {
        await CallAsync(2 * ResetGuard.Window, broken: true, after: ResetGuard.Early);

        _connection.IsAborted.ShouldBeFalse();
    }

    [Fact]
    public async Task BrokenOff_OnceAnswered_CountsNothing()
    {
        await CallAsync(2 * ResetGuard.Window, broken: true, answered: true);

        _connection.IsAborted.ShouldBeFalse();
    }

    [Fact]
    public async Task Failure_OfTheCall_IsPassedOnAndCountsNothing()
    {
        var http = Context(_connection, broken: false, answered: false);

        await Should.ThrowAsync<InvalidDataException>(() => _guard.InvokeAsync(http, static _ => throw new InvalidDataException()));

        _connection.IsAborted.ShouldBeFalse();
    }

    private async Task CallAsync(int count, bool broken, TimeSpan after = default, bool answered = false, Connection? on = null)
    {
        for (var call = 0; call < count; call++)
        {
            await _guard.InvokeAsync(Context(on ?? _connection, broken, answered), _ =>
            {
                _time.Advance(after);
                return Task.CompletedTask;
            });
        }
    }

    private static DefaultHttpContext Context(Connection connection, bool broken, bool answered)
    {
        var http = new DefaultHttpContext { RequestAborted = new CancellationToken(broken) };
        http.Features.Set<IConnectionLifetimeFeature>(connection);
        if (answered) http.Features.Set<IHttpResponseFeature>(new Answered());
        return http;
    }

    private sealed class Connection : IConnectionLifetimeFeature
    {
        public CancellationToken ConnectionClosed { get; set; }

        public bool IsAborted { get; private set; }

        public void Abort() => IsAborted = true;
    }

    private sealed class Answered : HttpResponseFeature
    {
        public override bool HasStarted => true;
    }
}
