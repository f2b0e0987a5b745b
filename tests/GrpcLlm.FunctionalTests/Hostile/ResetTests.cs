using Google.Protobuf;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Hosting;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Testing.RawHttp2Connection;

namespace GrpcLlm.FunctionalTests.Hostile;

/// <summary>
/// Streams that are opened to be broken off: by the client (rapid reset, CVE-2023-44487) or by the server, which the
/// client provokes (MadeYouReset, CVE-2025-8671). A backend must not be called without bound.
/// </summary>
public sealed class ResetTests
{
    private const int Attempts = 4000;

    // What may be on its way in the moment in which the connection is ended.
    private const int InFlight = 512;

    private static readonly byte[] Silent = Message(new GenerateRequest { Prompt = "silent" }.ToByteArray());

    private static readonly byte[] Headers = HpackReader.Write(Fields(Paths.Generate));

    /// <summary>Frames that end a stream on which a call was just made.</summary>
    public static TheoryData<string> Breaks => ["reset", "window overflow", "window of nothing", "data after the end", "self-dependency"];

    private static byte[] BreakOf(string kind, int stream) => kind switch
    {
        "reset" => Frame(ResetFrame, 0, stream, [0, 0, 0, 8]),
        "window overflow" => Frame(WindowUpdateFrame, 0, stream, [0x7F, 0xFF, 0xFF, 0xFF]),
        "window of nothing" => Frame(WindowUpdateFrame, 0, stream, [0, 0, 0, 0]),
        "data after the end" => Frame(DataFrame, 0, stream, [1]),
        "self-dependency" => Frame(PriorityFrame, 0, stream, [0, 0, (byte)(stream >> 8), (byte)stream, 1]),
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    [Theory]
    [MemberData(nameof(Breaks))]
    public async Task ManyCallsBrokenOff_EndTheConnectionAndLeaveNothingBehind(string kind)
    {
        await using var ground = await Ground.StartAsync();
        await using var attack = await ground.AttackAsync();

        await WriteUntilClosedAsync(attack, Enumerable.Range(0, Attempts).Select(attempt => Call(2 * attempt + 1, kind)));

        await attack.Closed.WaitAsync(TestContext.Current.CancellationToken);
        ground.Started.ShouldBeLessThanOrEqualTo(ResetGuard.MaxBroken + InFlight);
        await ground.ShouldBeUnharmedAsync();
    }

    /// <summary>Each waits for its backend call before it is broken off: the most that an attacker can cost.</summary>
    [Fact]
    public async Task ResetAfterEachBackendCall_IsBoundedByTheGuard()
    {
        await using var ground = await Ground.StartAsync();
        await using var attack = await ground.AttackAsync();

        for (var attempt = 0; attempt < Attempts && !attack.Closed.IsCompleted; attempt++)
        {
            if (!await attack.TryWriteAsync(Call(2 * attempt + 1, "none"))) break;
            await Task.WhenAny(ground.NextStartAsync(), attack.Closed).WaitAsync(TestContext.Current.CancellationToken);
            if (!await attack.TryWriteAsync(BreakOf("reset", 2 * attempt + 1))) break;
        }

        await attack.Closed.WaitAsync(TestContext.Current.CancellationToken);
        ground.Started.ShouldBeInRange(ResetGuard.MaxBroken, ResetGuard.MaxBroken + InFlight);
        await ground.ShouldBeUnharmedAsync();
    }

    /// <summary>Who hedges breaks off every other call; that goes on for ever.</summary>
    [Fact]
    public async Task EveryOtherCallBrokenOff_IsServed()
    {
        await using var ground = await Ground.StartAsync();
        await using var client = await ground.AttackAsync();

        for (var pair = 0; pair < ResetGuard.Window; pair++)
        {
            var loser = await client.OpenAsync(Paths.Generate, Silent);
            await (await client.CallAsync(Paths.ListModels, [])).Trailers;
            await loser.ResetAsync();
        }

        client.Closed.IsCompleted.ShouldBeFalse();
        await ground.ShouldBeUnharmedAsync();
    }

    private static byte[] Call(int stream, string kind)
    {
        byte[] call =
        [
            .. Frame(HeadersFrame, EndHeaders, stream, Headers), .. Frame(DataFrame, EndStream, stream, Silent),
        ];
        return kind == "none" ? call : [.. call, .. BreakOf(kind, stream)];
    }

    private static async Task WriteUntilClosedAsync(RawHttp2Connection attack, IEnumerable<byte[]> calls)
    {
        foreach (var batch in calls.Chunk(20))
        {
            if (attack.Closed.IsCompleted || !await attack.TryWriteAsync([.. batch.SelectMany(static call => call)])) return;
        }
    }
}
