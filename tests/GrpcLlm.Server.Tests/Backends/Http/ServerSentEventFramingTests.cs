using System.Net.ServerSentEvents;
using System.Text;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Backends.Http;

public sealed class ServerSentEventFramingTests
{
    private static readonly string[] Parts =
    [
        "data", "data:", "data: ", "data:  ", "event", "event:", "event: ", "id: 1", "retry: 5", ": comment", ":", " ", "dat", "datax:",
        "x", "é", "😀", "{\"a\":1}", "\uFEFF", "\0", "\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n", "ping", "message",
    ];

    [Theory]
    [InlineData("data: a\n\ndata:b\n\n", "message=a|message=b")]
    [InlineData("\uFEFFdata: a\r\n\r\ndata: b\r\rdata: c\n\r\n", "message=a|message=b|message=c")]
    [InlineData("data: a\ndata:\ndata: b\n\n", "message=a\n\nb")]
    [InlineData("event: ping\ndata: a\n\ndata: b\n\n", "ping=a|message=b")]
    [InlineData("event: ping\n\ndata: b\n\n", "message=b")]
    [InlineData("event:\ndata:  b\n\n", "message= b")]
    [InlineData("data\n\n", "message=")]
    [InlineData(": keep-alive\n\nid: 7\nretry: 1\nunknown: x\n\n:\n", "")]
    [InlineData("data: a\n\ndata: cut off", "message=a|message=cut off")]
    [InlineData("data: a\r", "message=a")]
    [InlineData("event: error", "")]
    [InlineData("", "")]
    public void TryTake_AnyPieces_SameEvents(string body, string expected)
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        for (var piece = 1; piece <= bytes.Length + 1; piece++)
        {
            var events = FramedBody.Read(new ServerSentEventFraming(), bytes, () => piece);
            string.Join('|', events.Select(static one => $"{one.Type}={one.Data}")).ShouldBe(expected);
        }
    }

    [Fact]
    public void TryTake_LineFeedOfACarriageReturnThatComesLater_EndsNoOtherEvent()
    {
        var framing = new ServerSentEventFraming();

        // The event is there with the carriage return: it waits for nothing.
        framing.TryTake("data: a\r\n\r"u8, isEnd: false, out var used, out _, out var data).ShouldBeTrue();
        data.SequenceEqual("a"u8).ShouldBeTrue();
        used.ShouldBe(10);
        framing.TryTake("\ndata: b\n\n"u8, isEnd: false, out used, out _, out data).ShouldBeTrue();
        data.SequenceEqual("b"u8).ShouldBeTrue();
        used.ShouldBe(10);
    }

    [Fact]
    public void TryTake_RandomBodies_AsTheLibraryReadsThem()
    {
        var random = new Random(20);
        var found = 0;
        for (var round = 0; round < 20_000; round++)
        {
            var body = string.Concat(Enumerable.Range(0, random.Next(1, 24)).Select(_ => Parts[random.Next(Parts.Length)]));

            // There the library keeps the type for the next event; the standard forgets it.
            if (HasTypeWithoutData(body)) continue;
            var bytes = Encoding.UTF8.GetBytes(body);
            var expected = ReadByLibrary(bytes);
            FramedBody.Read(new ServerSentEventFraming(), bytes, () => bytes.Length).ShouldBe(expected, body);
            FramedBody.Read(new ServerSentEventFraming(), bytes, () => random.Next(1, 8)).ShouldBe(expected, body);
            found += expected.Count;
        }

        found.ShouldBeGreaterThan(5_000);
    }

    private static bool HasTypeWithoutData(string body)
    {
        var events = body.TrimStart('\uFEFF').ReplaceLineEndings("\n").Split("\n\n").Select(static one => one.Split('\n'));
        return events.Any(static lines => lines.Any(static line => line.StartsWith("event", StringComparison.Ordinal))
            && !lines.Any(static line => line == "data" || line.StartsWith("data:", StringComparison.Ordinal)));
    }

    // Its events end with a blank line; ours with the body too.
    private static List<(string Type, string Data)> ReadByLibrary(byte[] body) =>
    [
        .. SseParser.Create(new MemoryStream([.. body, .. "\n\n"u8])).Enumerate()
            .Select(static one => (one.EventType.Length == 0 ? "message" : one.EventType, one.Data)),
    ];
}
