namespace GrpcStandIns.Tests.Api;

public class StatusTests
{
    [Fact]
    public void Status_KeepsItsParts()
    {
        var cause = new InvalidOperationException("broken");
        var status = new Status(StatusCode.Aborted, "lost the race", cause);

        status.StatusCode.ShouldBe(StatusCode.Aborted);
        status.Detail.ShouldBe("lost the race");
        status.DebugException.ShouldBeSameAs(cause);
        new Status(StatusCode.Aborted, "lost the race").DebugException.ShouldBeNull();
    }

    [Fact]
    public void Defaults_HaveTheirCodeAndNoDetail()
    {
        Status.DefaultSuccess.ShouldBe(new Status(StatusCode.OK, ""));
        Status.DefaultCancelled.ShouldBe(new Status(StatusCode.Cancelled, ""));
    }

    [Fact]
    public void Equality_ComparesAllParts()
    {
        var status = new Status(StatusCode.NotFound, "no such model");

        status.ShouldBe(new Status(StatusCode.NotFound, "no such model"));
        status.ShouldNotBe(new Status(StatusCode.NotFound, "another"));
        status.ShouldNotBe(new Status(StatusCode.Internal, "no such model"));
    }

    [Fact]
    public void ToString_NamesCodeDetailAndCause()
    {
        var text = new Status(StatusCode.NotFound, "no such model", new InvalidOperationException("broken")).ToString();

        text.ShouldContain("NotFound");
        text.ShouldContain("no such model");
        text.ShouldContain("broken");
    }

    [Theory]
    [InlineData(StatusCode.OK, 0)]
    [InlineData(StatusCode.Cancelled, 1)]
    [InlineData(StatusCode.Unknown, 2)]
    [InlineData(StatusCode.InvalidArgument, 3)]
    [InlineData(StatusCode.DeadlineExceeded, 4)]
    [InlineData(StatusCode.NotFound, 5)]
    [InlineData(StatusCode.AlreadyExists, 6)]
    [InlineData(StatusCode.PermissionDenied, 7)]
    [InlineData(StatusCode.ResourceExhausted, 8)]
    [InlineData(StatusCode.FailedPrecondition, 9)]
    [InlineData(StatusCode.Aborted, 10)]
    [InlineData(StatusCode.OutOfRange, 11)]
    [InlineData(StatusCode.Unimplemented, 12)]
    [InlineData(StatusCode.Internal, 13)]
    [InlineData(StatusCode.Unavailable, 14)]
    [InlineData(StatusCode.DataLoss, 15)]
    [InlineData(StatusCode.Unauthenticated, 16)]
    public void StatusCode_HasItsNumberOnTheWire(StatusCode code, int number) => ((int)code).ShouldBe(number);
}
