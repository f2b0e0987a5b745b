using Google.Protobuf;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Hostile;

/// <summary>Clients that take what there is and give nothing back: streams, windows, places.</summary>
public sealed class OccupationTests
{
    private static readonly byte[] Silent = new GenerateRequest { Prompt = "silent" }.ToByteArray();

    /// <summary>RFC 9113, section 5.1.2: what is above the limit is refused (REFUSED_STREAM), the rest goes on.</summary>
    [Fact]
    public async Task StreamsAboveTheLimit_AreRefusedOneByOne()
    {
        const int limit = 10;
        const uint refused = 7;
        await using var ground = await Ground.StartAsync($"Kestrel:Limits:Http2:MaxStreamsPerConnection={limit}");
        await using var attack = await ground.AttackAsync();

        var streams = new List<RawHttp2Stream>();
        for (var stream = 0; stream < 2 * limit; stream++) streams.Add(await attack.CallAsync(Paths.Generate, Silent));

        foreach (var stream in streams.Skip(limit)) (await stream.Reset).ShouldBe(refused);
        await Eventually.IsAsync(() => ground.Started == limit);
        foreach (var stream in streams.Take(limit)) await stream.ResetAsync();
        attack.Closed.IsCompleted.ShouldBeFalse();
        await ground.ShouldBeUnharmedAsync();
        ground.Started.ShouldBe(limit);
    }

    /// <summary>
    /// Slow read with a window of nothing: what the client does not take stops the backend, and after
    /// <c>Streaming:ClientStallTimeout</c> the stream is reset.
    /// </summary>
    [Fact]
    public async Task WindowsOfNothing_LoseTheirStreams()
    {
        const int streams = 50;
        await using var ground = await Ground.StartAsync("GrpcLlm:Streaming:ClientStallTimeout=00:00:00.5");
        await using var attack = await ground.AttackAsync(streamWindow: 0);

        var stalled = new List<RawHttp2Stream>();
        for (var stream = 0; stream < streams; stream++)
            stalled.Add(await attack.CallAsync(Paths.Generate, new GenerateRequest { Prompt = "long" }.ToByteArray()));

        foreach (var stream in stalled)
        {
            (await stream.Reset).ShouldBe(8u);
            stream.ReceivedBytes.ShouldBe(0);
        }

        attack.Closed.IsCompleted.ShouldBeFalse();
        await ground.ShouldBeUnharmedAsync();
        ground.Server.Metrics.Finished("client_stalled", "client").ShouldBe(streams);
    }

    /// <summary>A window that grows by a byte at a time does not make one write last longer.</summary>
    [Fact]
    public async Task WindowByTheByte_LosesItsStream()
    {
        await using var ground = await Ground.StartAsync("GrpcLlm:Streaming:ClientStallTimeout=00:00:00.5");
        await using var attack = await ground.AttackAsync(streamWindow: 0);
        var stream = await attack.CallAsync(Paths.Generate, new GenerateRequest { Prompt = "long" }.ToByteArray());

        while (!stream.Reset.IsCompleted)
        {
            await stream.GrantAsync(1);
            await Task.WhenAny(stream.Reset, Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, TestContext.Current.CancellationToken));
        }

        await ground.ShouldBeUnharmedAsync();
    }

    /// <summary>A connection that vanishes with calls in every phase gives all of their places back.</summary>
    [Fact]
    public async Task VanishedConnection_GivesItsPlacesBack()
    {
        await using var ground = await Ground.StartAsync("GrpcLlm:Admission:MaxConcurrent=20", "GrpcLlm:Admission:MaxQueue=40");
        var attack = await ground.AttackAsync();
        for (var call = 0; call < 40; call++) await attack.CallAsync(Paths.Generate, Silent);
        for (var call = 0; call < 10; call++) await attack.OpenAsync(Paths.Generate, [0, 0], isWhole: false);

        // The good client holds one of twenty places; its second call needs one as well.
        await Eventually.IsAsync(() => ground.Running == 19);
        attack.Abort();

        await ground.ShouldBeUnharmedAsync();
        await attack.DisposeAsync();
    }
}
