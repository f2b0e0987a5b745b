using System.Net;
using System.Net.Sockets;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.Server.Backends.OpenAi;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Routing;

/// <summary>
/// A call that is told to stop while its upstream, on a real socket, says nothing. Exceptions are the dear part of that, so
/// those that this service throws are counted; the HTTP handler throws its own.
/// </summary>
public sealed class StoppedOpeningTests : IAsyncDisposable
{
    private const string Head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    private const string Token = """data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}""" + "\n\n";

    private readonly CallRig _rig = new();
    private readonly TcpListener _upstream = new(IPAddress.Loopback, 0);
    private readonly HttpBackend _backend;

    public StoppedOpeningTests()
    {
        _upstream.Start();
        var options = new OpenAiOptions { BaseUrl = $"http://127.0.0.1:{((IPEndPoint)_upstream.LocalEndpoint).Port}" };
        _backend = new HttpBackend("up", new OpenAiProvider(options), options, _rig.Time);
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        _upstream.Dispose();
        await _backend.DisposeAsync();
        _rig.Dispose();
    }

    [Theory]
    [InlineData("")]
    [InlineData(Head)]
    public async Task ClientLeaves_BeforeTheFirstToken_SocketIsClosedAndNothingIsThrownHere(string said)
    {
        using var thrown = new ThrownExceptions();
        var opening = OpenAsync();
        using var socket = await AnswerAsync(said);

        _rig.ClientLeaves();

        (await opening).ShouldBeNull();
        await ClosedAsync(socket);
        _rig.Record.Attempts.ShouldHaveSingleItem().Outcome.ShouldBe(V1.AttemptOutcome.Cancelled);
        thrown.All.ShouldBeGreaterThan(0);
        thrown.Own.ShouldBe(0);
    }

    [Fact]
    public async Task ClientLeaves_MidStream_SocketIsClosedAndNothingIsThrownHere()
    {
        using var thrown = new ThrownExceptions();
        var opening = OpenAsync();
        using var socket = await AnswerAsync($"{Head}{Token.Length:x}\r\n{Token}\r\n");
        await using var answer = await opening;
        var next = answer!.Rest.MoveNextAsync();

        _rig.ClientLeaves();

        (await next).ShouldBeFalse();
        await ClosedAsync(socket);
        thrown.All.ShouldBeGreaterThan(0);
        thrown.Own.ShouldBe(0);
    }

    private Task<OpenedAnswer?> OpenAsync() => AnswerOpener.OpenAsync(
        [new ModelRoute(Lanes.To(_backend, time: _rig.Time), "m")], new BackendCall(_rig.Request, ""), _rig.Record, _rig.States,
        new CallProgress(), _rig.Lifetime.Token);

    private async Task<Socket> AnswerAsync(string said)
    {
        var socket = await _upstream.AcceptSocketAsync(Cancelled);
        (await socket.ReceiveAsync(new byte[4096], Cancelled)).ShouldBeGreaterThan(0);
        await socket.SendAsync(System.Text.Encoding.ASCII.GetBytes(said), Cancelled);
        return socket;
    }

    private static async Task ClosedAsync(Socket socket)
    {
        var buffer = new byte[4096];
        try
        {
            while (await socket.ReceiveAsync(buffer, Cancelled) > 0)
            {
                // The rest of the request.
            }
        }
        catch (SocketException)
        {
            // A reset closes too.
        }
    }
}
