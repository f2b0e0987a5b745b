using System.Net;
using System.Net.Sockets;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.V1;
using Microsoft.AspNetCore.Connections.Features;

namespace GrpcLlm.Client.Tests;

public sealed class FailureTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task InvalidRequest_Decoded_HasEveryViolation()
    {
        var bad = new BadRequest();
        bad.FieldViolations.Add(new BadRequest.Types.FieldViolation { Field = "sampling.top_p", Description = "above 0 to 1" });
        bad.FieldViolations.Add(new BadRequest.Types.FieldViolation { Description = "and 3 more" });

        var failure = await FailAsync(ServerFailure.Of(
            StatusCode.InvalidArgument, "INVALID_REQUEST", "sampling.top_p: above 0 to 1 (and 4 more)", extras: bad));

        failure.Reason.ShouldBe(ErrorReason.InvalidRequest);
        failure.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        failure.Message.ShouldBe("sampling.top_p: above 0 to 1 (and 4 more)");
        failure.Violations.ShouldBe([new("sampling.top_p", "above 0 to 1"), new("", "and 3 more")]);
        failure.RetrySafe.ShouldBeFalse();
        failure.RetryAfter.ShouldBeNull();
    }

    [Fact]
    public async Task Overloaded_WithRetryInfo_IsRetrySafeAfterIt()
    {
        var retry = new RetryInfo { RetryDelay = Duration.FromTimeSpan(TimeSpan.FromMilliseconds(1500)) };

        var failure = await FailAsync(ServerFailure.Of(
            StatusCode.Unavailable, "OVERLOADED", "queue full", retrySafe: true, pushback: "1500", extras: retry));

        failure.Reason.ShouldBe(ErrorReason.Overloaded);
        failure.RetrySafe.ShouldBeTrue();
        failure.RetryAfter.ShouldBe(TimeSpan.FromMilliseconds(1500));
        failure.RequestId.ShouldBe(Chunks.RequestId);
        failure.Backend.ShouldBe("openai");
    }

    [Theory]
    [InlineData("250", 250.0)]
    [InlineData("0", 0.0)]
    [InlineData("-1", null)]
    [InlineData("soon", null)]
    [InlineData("99999999999999999", null)]
    public async Task Pushback_WithoutRetryInfo_IsTheWait(string pushback, double? milliseconds)
    {
        var failure = await FailAsync(ServerFailure.Of(
            StatusCode.Unavailable, "DRAINING", "shutting down", retrySafe: true, pushback: pushback));

        (failure.RetryAfter?.TotalMilliseconds).ShouldBe(milliseconds);
    }

    [Fact]
    public async Task Stalled_AfterTokens_KeepsThemAndTellsTheBill()
    {
        var failure = await FailAsync(
            ServerFailure.Of(StatusCode.Aborted, "UPSTREAM_STALLED", "silent for 30 s", lastSequence: 2, streamedTokens: 5),
            Chunks.First("Hel", 2), Chunks.Text(2, "lo", 3));

        failure.Reason.ShouldBe(ErrorReason.UpstreamStalled);
        failure.StatusCode.ShouldBe(StatusCode.Aborted);
        failure.LastSequence.ShouldBe(2u);
        failure.StreamedTokens.ShouldBe(5u);
        failure.Summary.ShouldNotBeNull().Usage.OutputTokens.ShouldBe(5u);
        failure.Summary.Attempts.ShouldBe(2u);
        failure.RetrySafe.ShouldBeFalse();
    }

    [Fact]
    public async Task RetrySafe_ClaimedAfterTokens_IsNotBelieved()
    {
        var failure = await FailAsync(
            ServerFailure.Of(StatusCode.Unavailable, "UPSTREAM_UNAVAILABLE", "gone", retrySafe: true), Chunks.First("Hello"));

        failure.RetrySafe.ShouldBeFalse();
    }

    [Fact]
    public async Task Reason_NewerThanTheClient_KeepsItsName()
    {
        var failure = await FailAsync(ServerFailure.Of(StatusCode.Unavailable, "SOMETHING_NEW", "new", retrySafe: true));

        failure.Reason.ShouldBe(ErrorReason.Unspecified);
        failure.ReasonName.ShouldBe("SOMETHING_NEW");
        failure.RetrySafe.ShouldBeTrue();
    }

    [Theory]
    [MemberData(nameof(AllReasons))]
    public async Task Reason_OfTheContract_IsDecoded(ErrorReason reason, string name)
    {
        var failure = await FailAsync(ServerFailure.Of(StatusCode.Internal, name, "x"));

        failure.Reason.ShouldBe(reason);
        failure.ReasonName.ShouldBe(name);
    }

    public static TheoryData<ErrorReason, string> AllReasons()
    {
        var data = new TheoryData<ErrorReason, string>();
        foreach (var reason in System.Enum.GetValues<ErrorReason>().Where(reason => reason != ErrorReason.Unspecified))
            data.Add(reason, System.Text.Json.JsonNamingPolicy.SnakeCaseUpper.ConvertName(reason.ToString()));
        return data;
    }

    [Fact]
    public async Task ErrorInfo_OfAnotherDomain_DoesNotSpeakForTheGeneration()
    {
        var failure = await FailAsync(ServerFailure.Of(StatusCode.Unavailable, "OVERLOADED", "mesh", domain: "mesh.example"));

        failure.Reason.ShouldBe(ErrorReason.Unspecified);
        failure.ReasonName.ShouldBeEmpty();
        failure.RetrySafe.ShouldBeTrue();
    }

    [Fact]
    public async Task Trailers_Mangled_LeaveTheStatus()
    {
        var trailers = new Metadata
        {
            { "grpc-status-details-bin", [0xFF, 0xFF, 0xFF] },
            { "generation-summary-bin", [0x0A, 0x7F] },
            { "grpc-retry-pushback-ms", "" },
        };

        var failure = await FailAsync(ServerFailure.Bare(StatusCode.ResourceExhausted, "too large", trailers));

        failure.StatusCode.ShouldBe(StatusCode.ResourceExhausted);
        failure.Message.ShouldBe("too large");
        failure.Reason.ShouldBe(ErrorReason.Unspecified);
        failure.Summary.ShouldBeNull();
    }

    [Fact]
    public async Task EndOfStream_OkWithoutFinish_IsTruncated()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.First("Hello"), Chunks.Text(2, " wor"));

        var failure = await FailAsync(server);

        failure.StatusCode.ShouldBe(StatusCode.DataLoss);
        failure.Reason.ShouldBe(ErrorReason.Unspecified);
        failure.LastSequence.ShouldBe(2u);
        failure.StreamedTokens.ShouldBe(2u);
        failure.RequestId.ShouldBe(Chunks.RequestId);
        failure.RetrySafe.ShouldBeFalse();
    }

    [Fact]
    public async Task EndOfStream_OkWithoutAnyMessage_IsTruncated()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams();

        (await FailAsync(server)).StatusCode.ShouldBe(StatusCode.DataLoss);
    }

    [Fact]
    public async Task Failure_AfterFinish_IsAFailure()
    {
        var failure = await FailAsync(ServerFailure.Bare(StatusCode.Internal, "late"), Chunks.Answer());

        failure.StatusCode.ShouldBe(StatusCode.Internal);
        failure.StreamedTokens.ShouldBe(2u);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Connection_BrokenAfterTokens_IsMappedWithWhatWasReceived(bool wholeConnection)
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        var received = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Service.OnGenerate = async (_, stream, context) =>
        {
            await stream.WriteAsync(Chunks.First("Hello"), context.CancellationToken);
            await received.Task;
            var http = context.GetHttpContext();
            if (wholeConnection) http.Features.Get<IConnectionLifetimeFeature>()!.Abort();
            else http.Abort();
        };

        var failure = await Should.ThrowAsync<GenerationException>(async () =>
        {
            await foreach (var _ in client.GenerateAsync(new GenerateRequest(), cancellationToken: Token)) received.SetResult();
        });

        failure.Reason.ShouldBe(ErrorReason.Unspecified);
        failure.StatusCode.ShouldNotBe(StatusCode.OK);
        failure.LastSequence.ShouldBe(1u);
        failure.StreamedTokens.ShouldBe(1u);
        failure.RequestId.ShouldBe(Chunks.RequestId);
        failure.Summary.ShouldBeNull();
        failure.RetrySafe.ShouldBeFalse();
    }

    [Fact]
    public async Task Deadline_PassedWithoutTrailers_IsDeadlineExceeded()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.StreamsThenHangs(Chunks.First("Hello"));
        await using var client = server.CreateClient();

        var failure = await Should.ThrowAsync<GenerationException>(GenerateTests.ReadAsync(
            client, new GenerateRequest(), new GenerateCallOptions { Timeout = TimeSpan.FromMilliseconds(100) }));

        failure.StatusCode.ShouldBe(StatusCode.DeadlineExceeded);
        failure.RetrySafe.ShouldBeFalse();
    }

    [Fact]
    public async Task Server_NotThere_IsUnavailableAndRetrySafe()
    {
        await using var client = new GrpcLlmClient(UnusedAddress());

        var failure = await Should.ThrowAsync<GenerationException>(
            GenerateTests.ReadAsync(client, new GenerateRequest { RequestId = "mine" }));

        failure.StatusCode.ShouldBe(StatusCode.Unavailable);
        failure.Reason.ShouldBe(ErrorReason.Unspecified);
        failure.RetrySafe.ShouldBeTrue();
        failure.RequestId.ShouldBe("mine");
        failure.Message.ShouldContain("refused", Case.Insensitive);
        failure.InnerException.ShouldBeOfType<RpcException>();
    }

    [Fact]
    public async Task Failure_ServerSpokeBeforeTheCancel_Stands()
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        var spoken = ServerFailure.Of(StatusCode.Aborted, "UPSTREAM_FAILED", "broken", streamedTokens: 1);

        Failures.Translate(spoken, new StreamProgress(""), cancelled.Token)
            .ShouldBeOfType<GenerationException>().Reason.ShouldBe(ErrorReason.UpstreamFailed);
        Failures.Translate(ServerFailure.Bare(StatusCode.Unavailable, "reset"), new StreamProgress(""), cancelled.Token)
            .ShouldBeOfType<OperationCanceledException>();
    }

    /// <summary>An address on which nobody listens: bound a moment ago, and closed.</summary>
    internal static Uri UnusedAddress()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return new Uri($"http://{listener.LocalEndpoint}");
    }

    private static async Task<GenerationException> FailAsync(RpcException failure, params TokenChunk[] chunks)
    {
        await using var server = await TestServer.StartAsync();
        server.Service.StreamsThenFails(failure, chunks);
        return await FailAsync(server);
    }

    private static async Task<GenerationException> FailAsync(TestServer server)
    {
        await using var client = server.CreateClient();
        return await Should.ThrowAsync<GenerationException>(GenerateTests.ReadAsync(client, new GenerateRequest { Prompt = "hi" }));
    }
}
