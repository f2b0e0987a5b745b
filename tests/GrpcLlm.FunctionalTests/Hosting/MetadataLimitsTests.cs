using Google.Protobuf;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Hosting;
using GrpcLlm.V1;
using Microsoft.Extensions.Logging;

namespace GrpcLlm.FunctionalTests.Hosting;

/// <summary>Metadata is bounded, on the wire as a hostile client sends it; and none of it comes into a log.</summary>
public sealed class MetadataLimitsTests
{
    private const string Secret = "s3cr3t-0123456789";

    // SETTINGS of RFC 9113.
    private const int MaxConcurrentStreams = 3;
    private const int MaxHeaderListSize = 6;

    private static readonly byte[] Prompt = new GenerateRequest { Prompt = "p" }.ToByteArray();

    [Fact]
    public async Task Limits_AreAnnouncedToClients()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);

        var settings = await connection.Settings;

        settings[MaxConcurrentStreams].ShouldBe((uint)KestrelSettings.MaxStreamsPerConnection);
        settings[MaxHeaderListSize].ShouldBe((uint)KestrelSettings.MaxMetadataBytes);
    }

    [Fact]
    public async Task Limits_OfTheConfiguration_OverrideOurs()
    {
        await using var server = await LlmServer.StartAsync(
            ScriptedBackend.Text("a"), "Kestrel:Limits:Http2:MaxStreamsPerConnection=7", "Kestrel:Limits:MaxRequestHeadersTotalSize=5000");
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);

        var settings = await connection.Settings;

        settings[MaxConcurrentStreams].ShouldBe(7u);
        settings[MaxHeaderListSize].ShouldBe(5000u);
    }

    [Fact]
    public async Task MetadataThatFits_IsTaken()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);

        var call = await connection.CallAsync(
            Paths.Generate, Prompt, ("authorization", $"Bearer {new string('k', 16_000)}"), ("baggage", new string('b', 8192)));

        (await call.Trailers).ShouldContain(("grpc-status", "0"));
    }

    [Theory]
    [InlineData("large")]
    [InlineData("many")]
    public async Task MetadataAboveTheLimit_RefusesThatCallAlone(string kind)
    {
        var backend = ScriptedBackend.Silent(BackendEvent.TextDelta("x"));
        await using var server = await LlmServer.StartAsync(backend);
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        var sibling = await connection.CallAsync(Paths.Generate, Prompt);
        await sibling.NextAsync();

        var refused = await connection.CallAsync(Paths.Generate, Prompt, Metadata(kind, factor: 1.5));

        (await refused.Headers).ShouldContain((":status", "431"));
        var next = await connection.CallAsync(Paths.ListModels, []);
        (await next.Trailers).ShouldContain(("grpc-status", "0"));
        sibling.Trailers.IsCompleted.ShouldBeFalse();
        sibling.Reset.IsCompleted.ShouldBeFalse();
        AssertNothingLeaked(server);
    }

    [Theory]
    [InlineData("megabyte")]
    [InlineData("large")]
    [InlineData("many")]
    public async Task MetadataFarAboveTheLimit_ClosesItsConnectionAlone(string kind)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"));
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        await using var other = await RawHttp2Connection.ConnectAsync(server.Address);

        try
        {
            await connection.CallAsync(Paths.Generate, Prompt, Metadata(kind, factor: 2.5));
        }
        catch (IOException)
        {
            // The server did not wait for the rest.
        }

        await connection.Closed;
        (await (await other.CallAsync(Paths.Generate, Prompt)).Trailers).ShouldContain(("grpc-status", "0"));
        AssertNothingLeaked(server);
    }

    [Fact]
    public async Task SecretsInHeadersAndQuery_AreInNoLogAtAnyLevel()
    {
        await using var server = await LlmServer.StartAsync(
            null, static builder => builder.Logging.SetMinimumLevel(LogLevel.Trace), Verbose);
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);

        var served = await connection.CallAsync(
            $"{Paths.ListModels}?key={Secret}", [], ("authorization", $"Bearer {Secret}"), ("x-api-key", Secret));
        (await served.Trailers).ShouldContain(("grpc-status", "0"));
        var nowhere = await connection.CallAsync($"/no/where?key={Secret}", [], ("authorization", Secret));
        await nowhere.Headers;
        using var http = new HttpClient();
        using var ops = await http.GetAsync(new Uri(server.OpsAddress, $"/healthz?key={Secret}"), TestContext.Current.CancellationToken);
        await server.StopAsync();

        server.Logs.Lines.ShouldContain(static line => line.StartsWith("Trace Microsoft.AspNetCore.Server.Kestrel", StringComparison.Ordinal));
        server.Logs.Lines.Where(static line => line.Contains(Secret, StringComparison.Ordinal)).ShouldBeEmpty();
    }

    private static readonly string[] Verbose =
    [
        "Logging:LogLevel:Default=Trace", "Logging:LogLevel:Microsoft.AspNetCore=Trace", "Logging:LogLevel:Grpc.AspNetCore=Trace",
        "Logging:LogLevel:Microsoft.AspNetCore.Hosting.Diagnostics=Trace", "Logging:CollectedLogs:LogLevel:Default=Trace",
        $"Logging:{typeof(CollectedLogs).FullName}:LogLevel:Microsoft.AspNetCore=Trace", "GrpcLlm:DefaultModel=simulator",
    ];

    private static (string, string)[] Metadata(string kind, double factor) =>
    [
        ("authorization", $"Bearer {Secret}"),
        .. kind switch
        {
            "megabyte" => [("x-filler", new string('f', 1 << 20))],
            "large" => Enumerable.Range(0, 4).Select(index =>
                ($"x-filler-{index}", new string('f', (int)(KestrelSettings.MaxMetadataBytes * factor / 4)))),
            _ => Enumerable.Range(0, (int)(KestrelSettings.MaxMetadataEntries * factor)).Select(index => ($"x-filler-{index}", "f")),
        },
    ];

    private static void AssertNothingLeaked(LlmServer server)
    {
        server.Logs.Lines.ShouldAllBe(static line => !line.Contains(Secret, StringComparison.Ordinal));
        server.Logs.Errors.ShouldBeEmpty();
    }
}
