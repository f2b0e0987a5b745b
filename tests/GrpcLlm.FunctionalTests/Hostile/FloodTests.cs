using System.Net;
using System.Net.Sockets;
using GrpcLlm.FunctionalTests.Testing;
using static GrpcLlm.FunctionalTests.Testing.RawHttp2Connection;

namespace GrpcLlm.FunctionalTests.Hostile;

/// <summary>Frames that cost the sender nothing, in numbers (CVE-2019-9512, -9515, -9517, -9518; CVE-2024-27316 and kin).</summary>
public sealed class FloodTests
{
    private const int Frames = 10_000;

    private static readonly byte[] HeaderBlock = HpackReader.Write(Fields(Paths.Generate));

    private static byte[] FrameOf(string kind, int index, int stream) => kind switch
    {
        "ping" => Frame(PingFrame, 0, 0, new byte[8]),
        "empty settings" => Frame(SettingsFrame, 0, 0, []),
        "settings that shuffle windows" => Frame(SettingsFrame, 0, 0, [0, 4, 0, 0, (byte)(index % 2 * 0x40), 0]),
        "priority" => Frame(PriorityFrame, 0, 2 * index + 1001, [0, 0, 0, 0, 1]),
        "window updates" => Frame(WindowUpdateFrame, 0, stream, [0, 0, 0, 1]),
        "unknown type" => Frame(0xEE, 0xFF, stream, new byte[100]),
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    /// <summary>Allowed frames, more of them than anybody sends: each is dealt with and forgotten.</summary>
    [Theory]
    [InlineData("ping")]
    [InlineData("empty settings")]
    [InlineData("settings that shuffle windows")]
    [InlineData("priority")]
    [InlineData("window updates")]
    [InlineData("unknown type")]
    public async Task ManyAllowedFrames_HarmNobody(string kind)
    {
        await using var ground = await Ground.StartAsync();
        await using var attack = await ground.AttackAsync();
        var stream = await attack.CallAsync(Paths.Generate, RawCall.Prompt);
        await stream.NextAsync();

        foreach (var batch in Enumerable.Range(0, Frames).Select(index => FrameOf(kind, index, stream.Id)).Chunk(500))
            await attack.WriteAsync([.. batch.SelectMany(static frame => frame)]);

        // Answered after all of them.
        var pongs = kind == "ping" ? Frames : 0;
        await attack.WriteFrameAsync(PingFrame, 0, 0, new byte[8]);
        await Eventually.IsAsync(() => attack.Pongs == pongs + 1);
        attack.Closed.IsCompleted.ShouldBeFalse();
        ground.Started.ShouldBe(1);
        await stream.ResetAsync();
        await ground.ShouldBeUnharmedAsync();
    }

    /// <summary>Answers that nobody reads are not piled up: the server stops reading instead.</summary>
    [Theory]
    [InlineData("ping")]
    [InlineData("empty settings")]
    public async Task AnswersThatAreNotRead_StopTheServerFromReading(string kind)
    {
        const int most = 32 << 20;
        await using var ground = await Ground.StartAsync();
        using var client = new TcpClient { ReceiveBufferSize = 4096, SendBufferSize = 4096 };
        await client.ConnectAsync(IPAddress.Loopback, ground.Server.Address.Port, TestContext.Current.CancellationToken);
        var network = client.GetStream();
        byte[] flood = [.. Enumerable.Range(0, 1000).SelectMany(index => FrameOf(kind, index, 1))];
        await network.WriteAsync((byte[])[.. Preface, .. Frame(SettingsFrame, 0, 0, [])], TestContext.Current.CancellationToken);

        var sent = 0;
        using var stalled = new CancellationTokenSource();
        try
        {
            while (sent < most)
            {
                stalled.CancelAfter(TimeSpan.FromSeconds(1));
                await network.WriteAsync(flood, stalled.Token);
                sent += flood.Length;
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            // No more is taken, or the server has hung up.
        }

        sent.ShouldBeLessThan(most);
        client.Client.Close(0);
        await ground.ShouldBeUnharmedAsync();
    }

    /// <summary>
    /// CONTINUATION without end, full or empty (CVE-2024-27316): by size where it has any, else by the time that headers
    /// may take (<c>Kestrel:Limits:RequestHeadersTimeout</c>, 30 s unless set).
    /// </summary>
    [Theory]
    [InlineData(1000)]
    [InlineData(0)]
    public async Task EndlessContinuation_ClosesTheConnection(int size)
    {
        await using var ground = await Ground.StartAsync("Kestrel:Limits:RequestHeadersTimeout=00:00:01");
        await using var attack = await ground.AttackAsync();
        var part = size == 0 ? [] : HpackReader.Write([("x-filler", new string('f', size))]);

        await attack.OpenRawAsync(HeaderBlock, flags: EndStream);
        for (var frame = 0; frame < Frames && !attack.Closed.IsCompleted; frame += 100)
        {
            if (!await attack.TryWriteAsync([.. Enumerable.Range(0, 100).SelectMany(_ => Frame(ContinuationFrame, 0, 1, part))])) break;
        }

        await attack.Closed.WaitAsync(TestContext.Current.CancellationToken);
        ground.Started.ShouldBe(0);
        await ground.ShouldBeUnharmedAsync();
    }

    /// <summary>DATA frames of no bytes (CVE-2019-9518) keep a call waiting for its request, and nothing else.</summary>
    [Fact]
    public async Task EmptyData_ReachesNoBackend()
    {
        await using var ground = await Ground.StartAsync();
        await using var attack = await ground.AttackAsync();
        var stream = await attack.OpenAsync(Paths.Generate, [], isWhole: false);

        for (var batch = 0; batch < 20; batch++)
            await attack.WriteAsync([.. Enumerable.Range(0, 500).SelectMany(_ => Frame(DataFrame, 0, stream.Id, []))]);
        await attack.WriteFrameAsync(PingFrame, 0, 0, new byte[8]);
        await Eventually.IsAsync(() => attack.Pongs == 1 || attack.Closed.IsCompleted);
        await stream.ResetAsync();

        ground.Started.ShouldBe(0);
        await ground.ShouldBeUnharmedAsync();
    }
}
