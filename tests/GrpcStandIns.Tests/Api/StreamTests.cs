namespace GrpcStandIns.Tests.Api;

public class StreamTests
{
    private static readonly string[] Words = ["one", "two", "three"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ReadAllAsync_GivesEveryMessageInOrder() =>
        (await new FakeStream(Words).ReadAllAsync(Token).ToListAsync(Token)).ShouldBe(Words);

    [Fact]
    public async Task ReadAllAsync_TokenGivenToTheEnumeration_ReachesTheReader()
    {
        using var source = new CancellationTokenSource();
        var stream = new FakeStream(Words);

        await Should.ThrowAsync<OperationCanceledException>(async () =>
        {
            await foreach (var word in stream.ReadAllAsync(Token).WithCancellation(source.Token))
            {
                word.ShouldBe("one");
                await source.CancelAsync();
            }
        });
    }

    [Fact]
    public void ReadAllAsync_NotEnumerated_ReadsNothing()
    {
        var stream = new FakeStream(Words);

        stream.ReadAllAsync(Token).ShouldNotBeNull();

        stream.ReadTokens.ShouldBeEmpty();
    }

    [Fact]
    public void ReadAllAsync_OfNull_ThrowsAtOnce() =>
        Should.Throw<ArgumentNullException>(() => ((IAsyncStreamReader<string>)null!).ReadAllAsync(Token));

    [Fact]
    public async Task MoveNext_WithoutToken_CannotBeCancelled()
    {
        var stream = new FakeStream("one");

        (await stream.MoveNext()).ShouldBeTrue();
        stream.Current.ShouldBe("one");
        (await stream.MoveNext()).ShouldBeFalse();

        stream.ReadTokens.ShouldAllBe(token => !token.CanBeCanceled);
    }

    [Fact]
    public async Task WriteAsync_TokenThatNeverCancels_WritesTheMessage()
    {
        var stream = new FakeStream();
        IAsyncStreamWriter<string> writer = stream;

        await writer.WriteAsync("one", CancellationToken.None);

        stream.Written.ShouldBe(["one"]);
    }

    [Fact]
    public async Task WriteAsync_ImplementationCannotCancelAWrite_RefusesTheToken()
    {
        var stream = new FakeStream();
        IAsyncStreamWriter<string> writer = stream;
        using var source = new CancellationTokenSource();

        await Should.ThrowAsync<NotSupportedException>(async () => await writer.WriteAsync("one", source.Token));

        stream.Written.ShouldBeEmpty();
    }

    [Fact]
    public void WriteOptions_Default_HasNoFlags()
    {
        WriteOptions.Default.Flags.ShouldBe(default);
        new WriteOptions().Flags.ShouldBe(default);
        new WriteOptions(WriteFlags.BufferHint | WriteFlags.NoCompress).Flags.ShouldBe((WriteFlags)3);
    }
}
