namespace GrpcStandIns.Tests.Api;

public class RpcExceptionTests
{
    private static readonly Status NotFound = new(StatusCode.NotFound, "no such model");

    [Fact]
    public void StatusOnly_MessageNamesCodeAndDetail()
    {
        var exception = new RpcException(NotFound);

        exception.Status.ShouldBe(NotFound);
        exception.StatusCode.ShouldBe(StatusCode.NotFound);
        exception.Message.ShouldContain("NotFound");
        exception.Message.ShouldContain("no such model");
    }

    [Fact]
    public void NoTrailers_AreAnEmptyReadOnlyList()
    {
        new RpcException(NotFound).Trailers.ShouldBeEmpty();
        new RpcException(NotFound, "message").Trailers.IsReadOnly.ShouldBeTrue();
    }

    [Fact]
    public void TrailersAndMessage_AreKept()
    {
        var trailers = new Metadata { { "reason", "gone" } };

        new RpcException(NotFound, trailers).Trailers.ShouldBeSameAs(trailers);
        var exception = new RpcException(NotFound, trailers, "my message");
        exception.Trailers.ShouldBeSameAs(trailers);
        exception.Message.ShouldBe("my message");
        new RpcException(NotFound, "my message").Message.ShouldBe("my message");
    }

    [Fact]
    public void DebugException_IsTheInnerException()
    {
        var cause = new InvalidOperationException("broken");

        new RpcException(new Status(StatusCode.Internal, "failed", cause)).InnerException.ShouldBeSameAs(cause);
        new RpcException(NotFound).InnerException.ShouldBeNull();
    }

    [Fact]
    public void NullTrailers_AreRefused() =>
        Should.Throw<ArgumentNullException>(() => new RpcException(NotFound, (Metadata)null!));
}
