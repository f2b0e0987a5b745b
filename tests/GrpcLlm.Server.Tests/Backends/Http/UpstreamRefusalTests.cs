using System.Text.Json;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Http;

namespace GrpcLlm.Server.Tests.Backends.Http;

public sealed class UpstreamRefusalTests
{
    [Theory]
    [InlineData(400, "bad field", "Rejected")]
    [InlineData(400, "This model's maximum context length is 8192 tokens", "ContextTooLong")]
    [InlineData(400, "prompt is too long: 210000 tokens > 200000 maximum", "ContextTooLong")]
    [InlineData(402, "", "Rejected")]
    [InlineData(401, "", "Misconfigured")]
    [InlineData(403, "", "Misconfigured")]
    [InlineData(404, "", "Misconfigured")]
    [InlineData(302, "", "Misconfigured")]
    [InlineData(408, "", "Unavailable")]
    [InlineData(413, "request_too_large", "Rejected")]
    [InlineData(422, "", "Rejected")]
    [InlineData(429, "", "RateLimited")]
    [InlineData(500, "", "Unavailable")]
    [InlineData(502, "", "Unavailable")]
    [InlineData(503, "", "Unavailable")]
    [InlineData(529, "", "Unavailable")]
    public void Of_EachStatus_MeansOneFailure(int status, string message, string expected)
    {
        var failure = UpstreamRefusal.Of(status, message);

        failure.Failure.ToString().ShouldBe(expected);
        failure.HttpStatus.ShouldBe(status);
    }

    [Theory]
    [InlineData("Incorrect key: my-own-key-17.")]
    [InlineData("got sk-proj-abcdefgh12345678 instead")]
    [InlineData("Authorization: Bearer abcdefgh12345678")]
    [InlineData("token QWxhZGRpbjpvcGVuIHNlc2FtZUFsYWRkaW46b3BlbiBzZXNhbWU")]
    public void Of_MessageWithAKey_DoesNotRepeatIt(string message)
    {
        var text = UpstreamRefusal.Of(400, message, "my-own-key-17").Message;

        text.ShouldStartWith("The backend answered 400: ");
        text.ShouldNotContain("my-own-key-17");
        text.ShouldNotContain("12345678");
        text.ShouldNotContain("QWxhZGRpb");
    }

    [Fact]
    public void Of_MessageCutInsideACharacter_HoldsWholeOnes()
    {
        var text = UpstreamRefusal.Of(400, "x" + string.Concat(Enumerable.Repeat("😀", 200)) + "\ud83d").Message;

        text.EnumerateRunes().ShouldAllBe(static one => one != System.Text.Rune.ReplacementChar);
    }

    [Fact]
    public void Of_LongMessageWithControls_IsOneBoundedLine()
    {
        var text = UpstreamRefusal.Of(400, string.Concat(Enumerable.Repeat("a\r\nb\u001b[31m ", 500))).Message;

        text.Length.ShouldBeLessThan(200);
        text.ShouldAllBe(static one => !char.IsControl(one));
    }

    [Theory]
    [InlineData("{\"error\":{\"message\":\"m\"}}", "m")]
    [InlineData("{\"error\":\"m\"}", "m")]
    [InlineData("{\"message\":\"m\"}", "m")]
    [InlineData("{\"detail\":[{\"message\":\"m\"}]}", "m")]
    [InlineData("[{\"error\":{\"message\":\"m\"}}]", "m")]
    [InlineData("{\"error\":{}}", "")]
    [InlineData("[]", "")]
    [InlineData("17", "")]
    public void MessageOf_EveryShape_FindsTheWords(string json, string expected)
    {
        using var document = JsonDocument.Parse(json);

        UpstreamRefusal.MessageOf(document.RootElement).ShouldBe(expected);
    }

    [Fact]
    public void InStream_CountsAsItsStatusBeforeTheFirstTokenOnly()
    {
        var failure = UpstreamRefusal.InStream(429, "slow down");

        failure.Failure.ShouldBe(BackendFailure.Failed);
        failure.BeforeFirstToken.ShouldBe(BackendFailure.RateLimited);
    }
}
