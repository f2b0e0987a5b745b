using System.Buffers;
using System.Text;
using GrpcLlm.Server.Backends.Http;

namespace GrpcLlm.Server.Tests.Backends.Http;

public sealed class RequestBodyTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task CopyTo_BodyLongerThanTheFirstBuffer_SendsAllOfIt()
    {
        using var body = new RequestBody();
        var text = string.Concat(Enumerable.Range(0, 20_000).Select(static n => $"{n},"));
        foreach (var piece in text.Chunk(777)) body.Write(Encoding.UTF8.GetBytes(piece));

        var sent = await body.ReadAsStringAsync(Cancelled);

        sent.ShouldBe(text);
        body.Headers.ContentLength.ShouldBe(text.Length);
        body.Headers.ContentType!.MediaType.ShouldBe("application/json");
    }

    [Fact]
    public async Task CopyTo_Twice_SendsTheSameTwice()
    {
        // As a handler does whose connection turned out to be closed.
        using var body = new RequestBody();
        body.Write("{}"u8);
        using var sent = new MemoryStream();

        await body.CopyToAsync(sent, Cancelled);
        await body.CopyToAsync(sent, Cancelled);

        Encoding.UTF8.GetString(sent.ToArray()).ShouldBe("{}{}");
    }

    [Fact]
    public async Task Dispose_SendUnderWay_LeavesItsBytesAlone()
    {
        // An answer over HTTP/2 may come before its request is sent, which is disposed then.
        var body = new RequestBody();
        body.Write("first"u8);
        using var stream = new HeldStream();
        var sending = body.CopyToAsync(stream, Cancelled);

        body.Dispose();
        using var another = new RequestBody();
        another.Write("other"u8);
        stream.GoOn();
        await sending;

        Encoding.UTF8.GetString(stream.Written).ShouldBe("first");
    }

    [Fact]
    public async Task CopyTo_Disposed_Throws()
    {
        var body = new RequestBody();
        body.Dispose();
        body.Dispose();

        await Should.ThrowAsync<ObjectDisposedException>(() => body.CopyToAsync(Stream.Null, Cancelled));
        Should.Throw<ObjectDisposedException>(() => body.GetSpan());
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1 << 20)]
    public void Advance_BeyondWhatWasGiven_Throws(int count)
    {
        using var body = new RequestBody();
        body.GetSpan(10);

        Should.Throw<ArgumentOutOfRangeException>(() => body.Advance(count));
    }

    /// <summary>Takes the bytes of a write only once it is told to go on.</summary>
    private sealed class HeldStream : MemoryStream
    {
        private readonly TaskCompletionSource _goOn = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public byte[] Written { get; private set; } = [];

        public void GoOn() => _goOn.SetResult();

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await _goOn.Task;
            Written = buffer.ToArray();
        }
    }
}
