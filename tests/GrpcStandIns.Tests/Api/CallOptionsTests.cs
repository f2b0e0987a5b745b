namespace GrpcStandIns.Tests.Api;

public class CallOptionsTests
{
    private static readonly DateTime Deadline = new(2030, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    [Fact]
    public void Default_HasNothingSet()
    {
        foreach (var options in new[] { default, new CallOptions(headers: null) })
        {
            options.Headers.ShouldBeNull();
            options.Deadline.ShouldBeNull();
            options.CancellationToken.ShouldBe(CancellationToken.None);
            options.WriteOptions.ShouldBeNull();
            options.PropagationToken.ShouldBeNull();
            options.Credentials.ShouldBeNull();
            options.IsWaitForReady.ShouldBeFalse();
        }
    }

    [Fact]
    public void Constructor_KeepsWhatItIsGiven()
    {
        using var source = new CancellationTokenSource();
        var headers = new Metadata();
        var credentials = CallCredentials.FromInterceptor((_, _) => Task.CompletedTask);

        var options = new CallOptions(headers, Deadline, source.Token, WriteOptions.Default, null, credentials);

        options.Headers.ShouldBeSameAs(headers);
        options.Deadline.ShouldBe(Deadline);
        options.CancellationToken.ShouldBe(source.Token);
        options.WriteOptions.ShouldBeSameAs(WriteOptions.Default);
        options.Credentials.ShouldBeSameAs(credentials);
    }

    [Fact]
    public void With_ChangesOnePartAndLeavesTheOriginal()
    {
        using var source = new CancellationTokenSource();
        var headers = new Metadata();
        var writeOptions = new WriteOptions(WriteFlags.NoCompress);
        var credentials = CallCredentials.FromInterceptor((_, _) => Task.CompletedTask);
        var original = default(CallOptions);

        var options = original
            .WithHeaders(headers)
            .WithDeadline(Deadline)
            .WithCancellationToken(source.Token)
            .WithWriteOptions(writeOptions)
            .WithCredentials(credentials)
            .WithWaitForReady();

        options.Headers.ShouldBeSameAs(headers);
        options.Deadline.ShouldBe(Deadline);
        options.CancellationToken.ShouldBe(source.Token);
        options.WriteOptions.ShouldBeSameAs(writeOptions);
        options.Credentials.ShouldBeSameAs(credentials);
        options.IsWaitForReady.ShouldBeTrue();
        options.WithWaitForReady(false).IsWaitForReady.ShouldBeFalse();
        original.Headers.ShouldBeNull();
        original.IsWaitForReady.ShouldBeFalse();
    }
}
