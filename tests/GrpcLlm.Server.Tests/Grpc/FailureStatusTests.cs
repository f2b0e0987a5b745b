using System.Globalization;
using System.Text;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.Server.Grpc;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;
using Status = Grpc.Core.Status;

namespace GrpcLlm.Server.Tests.Grpc;

public sealed class FailureStatusTests
{
    private const string Units = "a%é€\uD83D\uDE00\u0000\n\uD800 ~";

    [Fact]
    public void Write_TellsReasonAndWhatWasDelivered()
    {
        var (status, details, _) = Write(
            new CallFailureException(ErrorReason.UpstreamStalled, "Silent."), delivered: true);

        status.ShouldBe(new Status(StatusCode.Aborted, "Silent."));
        details.Code.ShouldBe((int)StatusCode.Aborted);
        details.Message.ShouldBe("Silent.");
        details.Details.ShouldHaveSingleItem().Unpack<ErrorInfo>().ShouldBe(new ErrorInfo
        {
            Domain = "grpcllm",
            Reason = "UPSTREAM_STALLED",
            Metadata = { ["last_sequence"] = "7", ["streamed_tokens"] = "9", ["retry_safe"] = "false", ["backend"] = "b" },
        });
    }

    [Fact]
    public void Write_EveryReason_HasOneErrorInfoAndAPushbackThatAgreesWithRetryInfo()
    {
        foreach (var reason in System.Enum.GetValues<ErrorReason>())
        {
            foreach (var delivered in new[] { false, true })
            {
                var (_, details, pushback) = Write(new CallFailureException(reason, "m"), delivered);

                details.Details.Count(static one => one.Is(ErrorInfo.Descriptor)).ShouldBe(1);
                var retry = details.Details.SingleOrDefault(static one => one.Is(RetryInfo.Descriptor))?.Unpack<RetryInfo>();
                (retry is not null).ShouldBe(ErrorTable.HasRetryInfo(reason, delivered), $"{reason}");
                pushback.ShouldBe(retry is null ? "-1" : "1000");
                retry?.RetryDelay.ShouldBe(new Duration { Seconds = 1 });
            }
        }
    }

    [Theory]
    [InlineData(0, "0")]
    [InlineData(-50_000, "0")]
    [InlineData(1, "1")]
    [InlineData(15_000, "2")]
    [InlineData(70_000_000, "7000")]
    [InlineData(long.MaxValue, "2147483647")]
    public void Write_AnyWait_IsTheSameInPushbackAndRetryInfo(long ticks, string milliseconds)
    {
        var (_, details, pushback) = Write(
            new CallFailureException(ErrorReason.Overloaded, "m") { RetryAfter = TimeSpan.FromTicks(ticks) }, delivered: false);

        pushback.ShouldBe(milliseconds);
        details.Details[1].Unpack<RetryInfo>().RetryDelay.ToTimeSpan().TotalMilliseconds
            .ShouldBe(double.Parse(milliseconds, CultureInfo.InvariantCulture));
    }

    [Fact]
    public void Write_ModelNotFound_NamesTheResource()
    {
        var (_, details, _) = Write(
            new CallFailureException(ErrorReason.ModelNotFound, "m") { ResourceName = "gpt" }, delivered: false);

        details.Details[1].Unpack<ResourceInfo>().ShouldBe(
            new ResourceInfo { ResourceType = "grpcllm.v1.Model", ResourceName = "gpt" });
    }

    [Fact]
    public void Write_QuotaExceeded_NamesTenantAndLimit()
    {
        var (_, details, pushback) = Write(
            CallFailureException.QuotaExceeded("team", "tokens per minute", TimeSpan.FromSeconds(3)), delivered: false);

        details.Message.ShouldBe("The tenant's limit is reached: tokens per minute.");
        details.Details.Count.ShouldBe(3);
        details.Details[1].Unpack<RetryInfo>().RetryDelay.ShouldBe(new Duration { Seconds = 3 });
        details.Details[2].Unpack<QuotaFailure>().Violations.ShouldHaveSingleItem().ShouldBe(
            new QuotaFailure.Types.Violation { Subject = "tenant:team", Description = "tokens per minute" });
        pushback.ShouldBe("3000");
    }

    [Fact]
    public void Write_FewViolations_TellsAll()
    {
        var violations = new Violations();
        violations.Add("a", "x");
        violations.Add("b[0].c", "y");

        var (_, details, _) = Write(CallFailureException.Invalid(violations), delivered: false);

        details.Details[1].Unpack<BadRequest>().FieldViolations
            .Select(static one => (one.Field, one.Description)).ShouldBe([("a", "x"), ("b[0].c", "y")]);
    }

    [Fact]
    public void Write_AnyViolations_FitsAndCountsTheRest() => Properties.HoldsForSeeds(
        random =>
        {
            var violations = new Violations();
            var count = random.Next(1, random.Next(2, 5000));
            var longest = random.Next(1, 400);
            for (var index = 0; index < count; index++) violations.Add(Text(random, longest), Text(random, longest));

            var (status, details, _) = Write(CallFailureException.Invalid(violations), delivered: false, backend: "");

            details.CalculateSize().ShouldBeLessThanOrEqualTo(FailureStatus.MaxDetailBytes);
            PercentEncoded(status.Detail).ShouldBeLessThanOrEqualTo(FailureStatus.MaxMessageBytes);
            var told = details.Details.Single(static one => one.Is(BadRequest.Descriptor)).Unpack<BadRequest>().FieldViolations;
            var rest = told[^1].Field.Length == 0 && told[^1].Description.StartsWith("and ", StringComparison.Ordinal)
                ? int.Parse(told[^1].Description.Split(' ')[1], CultureInfo.InvariantCulture) : 0;
            (told.Count - (rest > 0 ? 1 : 0) + rest).ShouldBe(count);
        },
        count: 500);

    [Fact]
    public void Write_LongestNamesEverywhere_Fits()
    {
        var wide = new string('€', 5000);
        foreach (var reason in System.Enum.GetValues<ErrorReason>())
        {
            var failure = new CallFailureException(reason, wide)
            {
                ResourceName = wide, QuotaLimit = reason == ErrorReason.QuotaExceeded ? "requests per minute" : "", QuotaTenant = wide,
            };

            var (status, details, _) = Write(failure, delivered: false, backend: new string('€', 128));

            details.CalculateSize().ShouldBeLessThanOrEqualTo(FailureStatus.MaxDetailBytes, $"{reason}");
            PercentEncoded(status.Detail).ShouldBeLessThanOrEqualTo(FailureStatus.MaxMessageBytes);
        }
    }

    [Theory]
    [InlineData("x", 300, 256)]
    [InlineData("%", 300, 85)]
    [InlineData("\n", 300, 85)]
    [InlineData("é", 300, 42)]
    [InlineData("😀", 300, 42)]
    [InlineData("x", 256, 256)]
    [InlineData("x", 3, 3)]
    public void Write_LongMessage_IsCutAsItIsSent(string text, int times, int kept)
    {
        var message = string.Concat(Enumerable.Repeat(text, times));

        var (status, _, _) = Write(new CallFailureException(ErrorReason.Internal, message), delivered: false);

        status.Detail.ShouldBe(message[..kept]);
    }

    [Fact]
    public void ToException_HasStatusAndTrailers()
    {
        var exception = FailureStatus.ToException(CallFailureException.Invalid("f", "d"));

        exception.Status.ShouldBe(new Status(StatusCode.InvalidArgument, "f: d"));
        exception.Trailers.GetValueBytes("grpc-status-details-bin").ShouldNotBeNull();
        exception.Trailers.GetValue("grpc-retry-pushback-ms").ShouldBe("-1");
    }

    private static (Status Status, Google.Rpc.Status Details, string Pushback) Write(
        CallFailureException failure, bool delivered, string backend = "b")
    {
        var trailers = new Metadata();
        var status = FailureStatus.Write(trailers, failure, delivered, 7, 9, backend);
        trailers.Count.ShouldBe(2);
        return (status, Google.Rpc.Status.Parser.ParseFrom(trailers.GetValueBytes("grpc-status-details-bin")),
            trailers.GetValue("grpc-retry-pushback-ms")!);
    }

    private static string Text(Random random, int longest) =>
        new(Enumerable.Range(0, random.Next(0, longest)).Select(_ => Units[random.Next(Units.Length)]).ToArray());

    // As gRPC sends a message: every byte but 0x20 to 0x7E, and '%', takes three.
    private static int PercentEncoded(string text) =>
        Encoding.UTF8.GetBytes(text).Sum(static one => one is >= 0x20 and <= 0x7E and not (byte)'%' ? 1 : 3);
}
