using GrpcLlm.FunctionalTests.Testing;
using static GrpcLlm.FunctionalTests.Testing.RawHttp2Connection;

namespace GrpcLlm.FunctionalTests.Hostile;

/// <summary>
/// Header blocks that cannot be decoded (RFC 7541) or whose fields are malformed (RFC 9113, section 8). Too large and too
/// many fields: MetadataLimitsTests.
/// </summary>
public sealed class MalformedHeaderTests
{
    private const uint Protocol = 1;
    private const uint Internal = 2;
    private const uint Compression = 9;

    private static readonly byte[] Block = HpackReader.Write(Fields(Paths.Generate));

    /// <summary>Field lists that make a request malformed.</summary>
    private static List<(string Name, string Value)> FieldsOf(string which) => which switch
    {
        "name in upper case" => Fields(Paths.Generate, ("X-Upper", "x")),
        "no method" => Fields(Paths.Generate, (":method", null)),
        "no scheme" => Fields(Paths.Generate, (":scheme", null)),
        "no path" => Fields(Paths.Generate, (":path", null)),
        "method twice" => [(":method", "POST"), .. Fields(Paths.Generate)],
        "path twice" => [(":path", "/"), .. Fields(Paths.Generate)],
        "unknown pseudo-header" => [(":nonsense", "x"), .. Fields(Paths.Generate)],
        "pseudo-header of a response" => [(":status", "200"), .. Fields(Paths.Generate)],
        "pseudo-header after a field" => [("x-first", "x"), .. Fields(Paths.Generate)],
        "connection" => [.. Fields(Paths.Generate), ("connection", "close")],
        "te that is not trailers" => Fields(Paths.Generate, ("te", "gzip")),
        "line feed in a value" => Fields(Paths.Generate, ("x-bad", "a\nb: c")),
        "zero byte in a value" => Fields(Paths.Generate, ("x-bad", "a\0b")),
        _ => throw new ArgumentOutOfRangeException(nameof(which)),
    };

    /// <summary>Header blocks that are no HPACK.</summary>
    private static byte[] BlockOf(string which) => which switch
    {
        "index 0" => [.. Block, 0x80],
        "index beyond the tables" => [.. Block, 0xFF, 0x80, 0x01],
        "name index beyond the tables" => [.. Block, 0x7F, 0x80, 0x01, 1, (byte)'x'],
        "integer that overflows" => [.. Block, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
        "integer without an end" => [.. Block, 0xFF, 0x80, 0x80],
        "string longer than the block" => [.. Block, 0x00, 100, (byte)'x'],
        "huffman string with the end symbol" => [.. Block, 0x00, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, (byte)'x'],
        "huffman string with wrong padding" => [.. Block, 0x00, 0x81, 0x00, 0x01, (byte)'x'],
        "table larger than allowed" => [0x3F, 0xE2, 0x1F, .. Block],
        "table resized after fields" => [.. Block, 0x20],
        "half a field" => [.. Block, 0x00],
        _ => throw new ArgumentOutOfRangeException(nameof(which)),
    };

    [Theory]
    [InlineData("name in upper case")]
    [InlineData("no method")]
    [InlineData("no scheme")]
    [InlineData("no path")]
    [InlineData("method twice")]
    [InlineData("path twice")]
    [InlineData("unknown pseudo-header")]
    [InlineData("pseudo-header of a response")]
    [InlineData("pseudo-header after a field")]
    [InlineData("connection")]
    [InlineData("te that is not trailers")]
    [InlineData("line feed in a value")]
    [InlineData("zero byte in a value")]
    public async Task MalformedFields_AreNoCall(string which)
    {
        await using var ground = await Ground.StartAsync();
        await using var attack = await ground.AttackAsync();

        var stream = await attack.OpenAsync(FieldsOf(which), isWhole: false);

        // The server may have hung up by now.
        await attack.TryWriteAsync(Frame(DataFrame, EndStream, stream.Id, Message(RawCall.Prompt)));

        await Task.WhenAny(stream.Reset, attack.Closed).WaitAsync(TestContext.Current.CancellationToken);
        (attack.GoAwayCode ?? await stream.Reset).ShouldBe(Protocol);
        await ground.ShouldBeUnharmedAsync();
        ground.Started.ShouldBe(0);
    }

    /// <summary>Both sides have one HPACK state, so the connection is lost (RFC 9113, section 4.3). For index 0 Kestrel gives another code.</summary>
    [Theory]
    [InlineData("index 0", Internal)]
    [InlineData("index beyond the tables", Compression)]
    [InlineData("name index beyond the tables", Compression)]
    [InlineData("integer that overflows", Compression)]
    [InlineData("integer without an end", Compression)]
    [InlineData("string longer than the block", Compression)]
    [InlineData("huffman string with the end symbol", Compression)]
    [InlineData("huffman string with wrong padding", Compression)]
    [InlineData("table larger than allowed", Compression)]
    [InlineData("table resized after fields", Compression)]
    [InlineData("half a field", Compression)]
    public async Task BlockThatIsNoHpack_EndsTheConnectionAndItsCalls(string which, uint code)
    {
        await using var ground = await Ground.StartAsync();
        await using var attack = await ground.AttackAsync();
        var running = await attack.CallAsync(Paths.Generate, RawCall.Prompt);
        await running.NextAsync();

        await attack.OpenRawAsync(BlockOf(which));

        await attack.Closed.WaitAsync(TestContext.Current.CancellationToken);
        attack.GoAwayCode.ShouldBe(code);
        await ground.ShouldBeUnharmedAsync();
        ground.Started.ShouldBe(1);
    }

    /// <summary>
    /// HPACK bomb (CVE-2016-6581 and kin): one field of 4,000 bytes goes into the table, and one byte each names it
    /// again, 60 MB in 16 KiB. The limit on metadata counts what is decoded.
    /// </summary>
    [Fact]
    public async Task HpackBomb_ClosesTheConnection()
    {
        const byte namedAgain = 0x80 | 62;
        await using var ground = await Ground.StartAsync();
        await using var attack = await ground.AttackAsync();
        byte[] bomb = [.. Block, 0x40, 1, (byte)'x', 0x7F, 0xA1, 0x1E, .. Enumerable.Repeat((byte)'y', 4000)];

        await attack.OpenRawAsync([.. bomb, .. Enumerable.Repeat(namedAgain, MaxFrame - bomb.Length)]);

        await attack.Closed.WaitAsync(TestContext.Current.CancellationToken);
        await ground.ShouldBeUnharmedAsync();
        ground.Started.ShouldBe(0);
    }
}
