using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Conformance;

/// <summary>
/// Custom metadata: connect: Duplicate Metadata / server-stream; interop: custom_metadata; gRPC over HTTP/2:
/// Custom-Metadata. The service sets no metadata for callers but its own, so the cases are about what comes in.
/// </summary>
public sealed class MetadataTests
{
    private static readonly byte[] FourBytes = [0xFB, 0xFF, 0x00, 0x01];

    /// <summary>
    /// connect: Duplicate Metadata / server-stream/success: every value, in order. The framework joins them by commas,
    /// which gRPC over HTTP/2 says is the same.
    /// </summary>
    [Fact]
    public async Task DuplicateMetadata_ReachesTheMethodInOrder()
    {
        var (server, probe) = await CallProbe.StartAsync(ScriptedBackend.Text("a"));
        await using var closing = server;

        var answer = await RawCall.OfAsync(server, ("x-conformance-test", "Value1"), ("x-conformance-test", "Value2"));

        answer.Status.ShouldBe(StatusCode.OK);
        probe.Metadata!.GetAll("x-conformance-test").ShouldHaveSingleItem().Value.ShouldBe("Value1,Value2");
    }

    /// <summary>connect: Duplicate Metadata; what of it goes to backends is joined by commas, as gRPC allows.</summary>
    [Fact]
    public async Task DuplicateMetadata_ForTheBackendIsJoined()
    {
        var seen = "";
        await using var server = await LlmServer.StartAsync(new ScriptedBackend((call, _) =>
        {
            seen = call.Metadata["simulate-x"];
            return Play();
        }));

        await RawCall.OfAsync(server, ("simulate-x", "one"), ("simulate-x", "two"));

        seen.ShouldBe("one,two");
    }

    /// <summary>
    /// interop: custom_metadata, x-grpc-test-echo-trailing-bin; gRPC over HTTP/2: Binary-Header: base64 is read with and
    /// without padding.
    /// </summary>
    [Theory]
    [InlineData("+/8AAQ==")]
    [InlineData("+/8AAQ")]
    public async Task BinaryMetadata_IsReadWithAndWithoutPadding(string sent)
    {
        var (server, probe) = await CallProbe.StartAsync(ScriptedBackend.Text("a"));
        await using var closing = server;

        var answer = await RawCall.OfAsync(server, ("x-test-bin", sent));

        answer.Status.ShouldBe(StatusCode.OK);
        probe.Metadata!.GetValueBytes("x-test-bin").ShouldBe(FourBytes);
    }

    /// <summary>
    /// Binary metadata that cannot be read fails nobody here: the service reads none of a caller's, and what is not read is
    /// not judged. gRPC over HTTP/2 has several values, joined by commas or as several fields, split before they are
    /// decoded; grpc-dotnet does not, and would throw at who reads them.
    /// </summary>
    [Theory]
    [InlineData("x-test-bin", "+/8AAQ==,AQI=")]
    [InlineData("x-test-bin", "+/8AAQ,AQI")]
    [InlineData("x-test-bin", "")]
    [InlineData("x-test-bin", "!!!!")]
    [InlineData("x-test-bin", "A")]
    [InlineData("grpc-trace-bin", "%")]
    public async Task UnreadableBinaryMetadata_IsLeftAlone(string name, string value)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));

        (await RawCall.OfAsync(server, (name, value))).Status.ShouldBe(StatusCode.OK);
    }

    /// <summary>
    /// gRPC over HTTP/2: ASCII-Value is 0x20 to 0x7E. Bytes above come from broken clients; they neither break the call
    /// nor come back.
    /// </summary>
    [Fact]
    public async Task NonAsciiMetadata_IsNotFatal()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));

        var answer = await RawCall.OfAsync(server, ("x-test", "naïve ☺"));

        answer.Status.ShouldBe(StatusCode.OK);
        answer.Headers.Concat(answer.Trailers).ShouldAllBe(static field => !field.Value.Contains('☺'));
    }

    /// <summary>gRPC over HTTP/2: names that begin with <c>grpc-</c> are gRPC's own; one that is unknown is ignored.</summary>
    [Theory]
    [InlineData("grpc-unknown", "x")]
    [InlineData("grpc-status", "13")]
    [InlineData("grpc-message", "forged")]
    [InlineData("grpc-previous-rpc-attempts", "99")]
    public async Task ReservedMetadataOfTheCaller_ChangesNothingAndDoesNotComeBack(string name, string value)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));

        var answer = await RawCall.OfAsync(server, (name, value));

        answer.Status.ShouldBe(StatusCode.OK);
        answer.Headers.Concat(answer.Trailers).ShouldNotContain((name, value));
    }

    private static async IAsyncEnumerable<BackendEvent> Play()
    {
        yield return BackendEvent.TextDelta("a");
        await Task.Yield();
        yield return BackendEvent.Finished(new BackendEnding(FinishReason.Stop));
    }
}
