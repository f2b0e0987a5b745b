using GrpcLlm.FunctionalTests.Testing;
using static GrpcLlm.FunctionalTests.Testing.RawHttp2Connection;

namespace GrpcLlm.FunctionalTests.Hostile;

/// <summary>
/// Connections that never become HTTP/2: half-open, slow, or something else altogether. Time for the beginning is
/// <c>Kestrel:Limits:KeepAliveTimeout</c> (130 s unless set).
/// </summary>
public sealed class HandshakeTests
{
    private const string Impatient = "Kestrel:Limits:KeepAliveTimeout=00:00:01";

    /// <summary>Bytes that are not HTTP/2, in the words of the cases below.</summary>
    private static byte[] NoiseOf(string kind)
    {
        var random = new byte[64 * 1024];
        new Random(7343).NextBytes(random);
        return kind switch
        {
            "http/1.1" => [.. "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"u8],
            "http/1.1 upgrade" => [.. "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"u8],
            "tls hello" => [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3, .. random[..500]],
            "zeros" => new byte[64 * 1024],
            "random" => random,
            "wrong preface" => [.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\rX"u8],
            "frames without preface" => Frame(SettingsFrame, 0, 0, []),
            "data before settings" => [.. Preface, .. Frame(DataFrame, 0, 1, new byte[5])],
            "headers before settings" => [.. Preface, .. Frame(HeadersFrame, EndHeaders, 1, HpackReader.Write(Fields(Paths.Generate)))],
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };
    }

    [Theory]
    [InlineData("http/1.1")]
    [InlineData("http/1.1 upgrade")]
    [InlineData("tls hello")]
    [InlineData("zeros")]
    [InlineData("random")]
    [InlineData("wrong preface")]
    [InlineData("frames without preface")]
    public async Task BytesThatAreNotHttp2_CloseTheConnection(string kind)
    {
        await using var ground = await Ground.StartAsync(Impatient);
        await using var attack = await ConnectSilentAsync(ground.Server.Address);

        await attack.TryWriteAsync(NoiseOf(kind));

        await attack.Closed.WaitAsync(TestContext.Current.CancellationToken);
        await ground.ShouldBeUnharmedAsync();
        ground.Started.ShouldBe(0);
    }

    /// <summary>Preface alone, a part of it, nothing at all: each is closed, and many at once hold nobody else up.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("PRI * HT")]
    [InlineData("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]
    public async Task HalfOpenConnections_AreClosedInTime(string beginning)
    {
        await using var ground = await Ground.StartAsync(Impatient);
        var connections = new List<RawHttp2Connection>();
        for (var connection = 0; connection < 50; connection++)
        {
            connections.Add(await ConnectSilentAsync(ground.Server.Address));
            await connections[^1].TryWriteAsync(System.Text.Encoding.ASCII.GetBytes(beginning));
        }

        foreach (var connection in connections)
        {
            await connection.Closed.WaitAsync(TestContext.Current.CancellationToken);
            await connection.DisposeAsync();
        }

        await ground.ShouldBeUnharmedAsync();
    }

    /// <summary>A byte now and then does not buy more time.</summary>
    [Fact]
    public async Task SlowPreface_IsClosedInTime()
    {
        await using var ground = await Ground.StartAsync(Impatient);
        await using var attack = await ConnectSilentAsync(ground.Server.Address);

        foreach (var one in Preface[..^1])
        {
            if (attack.Closed.IsCompleted || !await attack.TryWriteAsync([one])) break;
            await Task.WhenAny(
                attack.Closed, Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, TestContext.Current.CancellationToken));
        }

        await attack.Closed.WaitAsync(TestContext.Current.CancellationToken);
        await ground.ShouldBeUnharmedAsync();
    }
}
