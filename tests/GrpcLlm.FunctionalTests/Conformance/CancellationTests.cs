using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Backends;

namespace GrpcLlm.FunctionalTests.Conformance;

/// <summary>
/// A client that leaves, by RST_STREAM as every gRPC library does it. interop: cancel_after_begin,
/// cancel_after_first_response; connect: Client Cancellation / server-stream. The same over a gRPC client: EndsTests.
/// </summary>
public sealed class CancellationTests
{
    /// <summary>interop: cancel_after_begin, for a server-streaming method: after headers, before the request is whole.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(6)]
    public async Task ResetBeforeTheRequestIsWhole_ReachesNoBackend(int bytes)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Silent());
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        var stream = await connection.OpenAsync(
            Paths.Generate, RawHttp2Connection.Message(RawCall.Prompt)[..bytes], isWhole: false);

        await stream.ResetAsync();

        (await server.Logs.NextUsageAsync()).GetProperty("error_reason").GetString().ShouldBe("CLIENT_CANCELLED");
        await Eventually.IsAsync(() => server.Metrics.Active == 0);
        (await (await connection.CallAsync(Paths.ListModels, [])).Ended).Status.ShouldBe(StatusCode.OK);
        server.Logs.Errors.ShouldBeEmpty();
    }

    /// <summary>
    /// interop: cancel_after_first_response; connect: Client Cancellation / server-stream/cancel-after-responses. Whatever
    /// code the client resets with, the backend stops and the connection lives.
    /// </summary>
    [Theory]
    [InlineData(0u)]
    [InlineData(8u)]
    [InlineData(2u)]
    [InlineData(0xFFFF_FFFFu)]
    public async Task ResetAfterTheFirstResponse_StopsTheBackend(uint code)
    {
        var backend = ScriptedBackend.Silent(BackendEvent.TextDelta("first"));
        await using var server = await LlmServer.StartAsync(backend);
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        var stream = await connection.CallAsync(Paths.Generate, RawCall.Prompt);
        await stream.NextAsync();

        await stream.ResetAsync(code);

        await (await backend.NextRunAsync()).Ended;
        (await server.Logs.NextUsageAsync()).GetProperty("error_reason").GetString().ShouldBe("CLIENT_CANCELLED");
        await Eventually.IsAsync(() => server.Metrics.Active == 0);
        (await (await connection.CallAsync(Paths.ListModels, [])).Ended).Status.ShouldBe(StatusCode.OK);
        server.Logs.Errors.ShouldBeEmpty();
    }
}
