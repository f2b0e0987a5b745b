using GrpcLlm.FunctionalTests.Testing;
using static GrpcLlm.FunctionalTests.Testing.RawHttp2Connection;

namespace GrpcLlm.FunctionalTests.Hostile;

/// <summary>
/// Frames that RFC 9113 forbids, sent while a call runs on the same connection: the connection ends with the error code of
/// the RFC, and the call's backend is stopped.
/// </summary>
public sealed class MalformedFrameTests
{
    private const uint Protocol = 1;
    private const uint FlowControl = 3;
    private const uint StreamClosed = 5;
    private const uint FrameSize = 6;

    private static readonly byte[] Block = HpackReader.Write(Fields(Paths.Generate));

    /// <summary>Cases, with the section of RFC 9113 that forbids each. Stream 1 is the call that runs.</summary>
    public static TheoryData<string, uint> Cases => new()
    {
        { "6.1 data on stream 0", Protocol },
        { "5.1 data on an idle stream", Protocol },
        { "6.1 data with more padding than payload", Protocol },
        { "5.1 data after the end of the request", StreamClosed },
        { "6.2 headers on stream 0", Protocol },
        { "5.1.1 headers on an even stream", Protocol },
        { "6.2 headers with more padding than payload", Protocol },
        { "5.3.1 headers that depend on themselves", Protocol },
        { "6.3 priority of a wrong length", FrameSize },
        { "6.3 priority on stream 0", Protocol },
        { "6.4 reset on stream 0", Protocol },
        { "6.4 reset on an idle stream", Protocol },
        { "6.4 reset of a wrong length", FrameSize },
        { "6.5 settings on a stream", Protocol },
        { "6.5 settings of a wrong length", FrameSize },
        { "6.5 acknowledgement with settings", FrameSize },
        { "6.5.2 push neither on nor off", Protocol },
        { "6.5.2 initial window too large", FlowControl },
        { "6.5.2 frames too small", Protocol },
        { "6.6 push promise", Protocol },
        { "6.7 ping of a wrong length", FrameSize },
        { "6.7 ping on a stream", Protocol },
        { "6.8 goaway on a stream", Protocol },
        { "6.9 window update of a wrong length", FrameSize },
        { "6.9 window update of nothing on the connection", Protocol },
        { "6.9.1 window of the connection overflows", FlowControl },
        { "5.1 window update on an idle stream", Protocol },
        { "6.10 continuation of nothing", Protocol },
        { "6.10 another frame between headers and continuation", Protocol },
        { "4.2 frame too large", FrameSize },
    };

    private static byte[] BytesOf(string which) => which[(which.IndexOf(' ', StringComparison.Ordinal) + 1)..] switch
    {
        "data on stream 0" => Frame(DataFrame, 0, 0, [1]),
        "data on an idle stream" => Frame(DataFrame, 0, 99, [1]),
        "data with more padding than payload" => Frame(DataFrame, Padded, 1, [9, 1]),
        "data after the end of the request" => Frame(DataFrame, 0, 1, [1]),
        "headers on stream 0" => Frame(HeadersFrame, EndHeaders, 0, Block),
        "headers on an even stream" => Frame(HeadersFrame, EndHeaders, 4, Block),
        "headers with more padding than payload" => Frame(HeadersFrame, EndHeaders | Padded, 3, [200, 1]),
        "headers that depend on themselves" => Frame(HeadersFrame, EndHeaders | 0x20, 3, [0, 0, 0, 3, 1, .. Block]),
        "priority of a wrong length" => Frame(PriorityFrame, 0, 1, [0, 0, 0, 0]),
        "priority on stream 0" => Frame(PriorityFrame, 0, 0, [0, 0, 0, 1, 1]),
        "reset on stream 0" => Frame(ResetFrame, 0, 0, [0, 0, 0, 8]),
        "reset on an idle stream" => Frame(ResetFrame, 0, 99, [0, 0, 0, 8]),
        "reset of a wrong length" => Frame(ResetFrame, 0, 1, [0, 0, 8]),
        "settings on a stream" => Frame(SettingsFrame, 0, 1, []),
        "settings of a wrong length" => Frame(SettingsFrame, 0, 0, [0, 1, 0, 0, 0]),
        "acknowledgement with settings" => Frame(SettingsFrame, Acknowledge, 0, [0, 1, 0, 0, 0, 0]),
        "push neither on nor off" => Frame(SettingsFrame, 0, 0, [0, 2, 0, 0, 0, 2]),
        "initial window too large" => Frame(SettingsFrame, 0, 0, [0, 4, 0x80, 0, 0, 0]),
        "frames too small" => Frame(SettingsFrame, 0, 0, [0, 5, 0, 0, 0, 1]),
        "push promise" => Frame(PushPromiseFrame, EndHeaders, 1, [0, 0, 0, 2, .. Block]),
        "ping of a wrong length" => Frame(PingFrame, 0, 0, new byte[7]),
        "ping on a stream" => Frame(PingFrame, 0, 1, new byte[8]),
        "goaway on a stream" => Frame(GoAwayFrame, 0, 1, new byte[8]),
        "window update of a wrong length" => Frame(WindowUpdateFrame, 0, 1, [0, 0, 1]),
        "window update of nothing on the connection" => Frame(WindowUpdateFrame, 0, 0, [0, 0, 0, 0]),
        "window of the connection overflows" => Frame(WindowUpdateFrame, 0, 0, [0x7F, 0xFF, 0xFF, 0xFF]),
        "window update on an idle stream" => Frame(WindowUpdateFrame, 0, 99, [0, 0, 0, 1]),
        "continuation of nothing" => Frame(ContinuationFrame, EndHeaders, 1, Block),
        "another frame between headers and continuation" =>
            [.. Frame(HeadersFrame, 0, 3, Block), .. Frame(PingFrame, 0, 0, new byte[8])],
        "frame too large" => Frame(DataFrame, 0, 1, new byte[MaxFrame + 1]),
        _ => throw new ArgumentOutOfRangeException(nameof(which)),
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task ForbiddenFrame_EndsTheConnectionAndItsCalls(string which, uint code)
    {
        await using var ground = await Ground.StartAsync();
        await using var attack = await ground.AttackAsync();
        var running = await attack.CallAsync(Paths.Generate, RawCall.Prompt);
        await running.NextAsync();

        await attack.WriteAsync(BytesOf(which));

        await attack.Closed.WaitAsync(TestContext.Current.CancellationToken);
        attack.GoAwayCode.ShouldBe(code);
        await ground.ShouldBeUnharmedAsync();
        ground.Started.ShouldBe(1);
    }
}
