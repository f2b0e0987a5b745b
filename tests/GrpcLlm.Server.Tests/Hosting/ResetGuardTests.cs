using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Telemetry;
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
    private readonly ResetGuard _guard = new();

    [Fact]
    public void BrokenOff_OnceMoreThanAllowed_EndsTheConnection()
    {
        Call(ResetGuard.MaxBroken, broken: true);
        _connection.IsAborted.ShouldBeFalse();

        Call(1, broken: true);

        _connection.IsAborted.ShouldBeTrue();
    }

    [Fact]
    public void BrokenOff_OnManyConnections_EndsNone()
    {
        var connections = new List<Connection>();
        for (var connection = 0; connection < 3; connection++)
        {
            connections.Add(new Connection());
            Call(ResetGuard.MaxBroken, broken: true, on: connections[^1]);
        }

        connections.ShouldAllBe(static connection => !connection.IsAborted);
    }

    [Fact]
    public void ThreeInFour_ForEver_IsAllowed()
    {
        for (var call = 0; call < 10 * ResetGuard.Window; call++) Call(1, broken: call % 4 != 0);

        _connection.IsAborted.ShouldBeFalse();
    }

    [Fact]
    public void BrokenOff_LaterThanEarly_CountsNothing()
    {
        Call(2 * ResetGuard.Window, broken: true, after: ResetGuard.Early);

        _connection.IsAborted.ShouldBeFalse();
    }

    [Fact]
    public void BrokenOff_OnceAnswered_CountsNothing()
    {
        Call(2 * ResetGuard.Window, broken: true, answered: true);

        _connection.IsAborted.ShouldBeFalse();
    }

    private void Call(int count, bool broken, TimeSpan after = default, bool answered = false, Connection? on = null)
    {
        for (var call = 0; call < count; call++)
        {
            var clock = new CallClock(_time);
            _time.Advance(after);
            _guard.CallEnded(Context(on ?? _connection, broken, answered), clock);
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
