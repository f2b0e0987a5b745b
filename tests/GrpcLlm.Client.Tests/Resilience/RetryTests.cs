using System.Net.Sockets;
using Grpc.Core;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests.Resilience;

public sealed class RetryTests
{
    /// <summary>Only a test that hangs ever meets it.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(30);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Failure_BeforeTheFirstToken_IsTriedAgainUnderTheSameRequestId()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server);
        var seen = Answers(server, Overloaded("0"), Overloaded("0"));
        var generation = client.GenerateAsync(new GenerateRequest { Prompt = "hi" }, cancellationToken: Token);
        var known = generation.RequestId;

        (await generation.ToListAsync(Token)).ShouldBe(Chunks.Answer());

        generation.Attempts.ShouldBe(3);
        known.ShouldMatch("^[0-9a-f]{32}$");
        seen.Select(request => request.RequestId).ShouldBe([known, known, known]);
    }

    [Fact]
    public async Task RequestId_OfTheCaller_IsKeptForEveryAttempt()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server);
        var seen = Answers(server, Overloaded("0"));

        await client.GenerateTextAsync(new GenerateRequest { RequestId = "mine" }, cancellationToken: Token);

        seen.Select(request => request.RequestId).ShouldBe(["mine", "mine"]);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(5, 5)]
    public async Task Attempts_AllFail_AreAsManyAsAllowedAndTheLastFailureIsTold(int allowed, int made)
    {
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server, options => options.Retry.MaxAttempts = allowed);
        var seen = Answers(server, [.. Enumerable.Repeat(Overloaded("0"), 9)]);

        var failure = await FailAsync(client);

        seen.Count.ShouldBe(made);
        failure.Attempts.ShouldBe(made);
        failure.Reason.ShouldBe(ErrorReason.Overloaded);
    }

    [Fact]
    public async Task NoRetry_OfTheCall_TellsTheFirstFailure()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server);
        var seen = Answers(server, Overloaded("0"));

        await FailAsync(client, options: new GenerateCallOptions { NoRetry = true });

        seen.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Failure_AfterAToken_IsNeverTriedAgain()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server);
        server.Service.StreamsThenFails(Overloaded("0"), Chunks.First("Hello"));

        var failure = await FailAsync(client);

        failure.Attempts.ShouldBe(1);
        failure.StreamedTokens.ShouldBe(1u);
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("soon")]
    public async Task Pushback_ThatIsNoWait_Forbids(string pushback)
    {
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server);
        var seen = Answers(server, Overloaded(pushback));

        (await FailAsync(client)).RetrySafe.ShouldBeTrue();

        seen.Count.ShouldBe(1);
    }

    [Fact]
    public async Task RetrySafe_Denied_IsNotTriedAgain()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server);
        var seen = Answers(server, ServerFailure.Of(StatusCode.Unavailable, "OVERLOADED", "full", retrySafe: false, pushback: "0"));

        await FailAsync(client);

        seen.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Unavailable_WithoutTheServersWord_IsTriedAgain()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server);
        var seen = Answers(server, ServerFailure.Bare(StatusCode.Unavailable, "from a proxy"));

        (await client.GenerateTextAsync("hi", cancellationToken: Token)).ShouldBe("Hello world");

        seen.Count.ShouldBe(2);
    }

    [Theory]
    [InlineData(StatusCode.Internal)]
    [InlineData(StatusCode.InvalidArgument)]
    [InlineData(StatusCode.ResourceExhausted)]
    public async Task OtherStatus_WithoutTheServersWord_IsNotTriedAgain(StatusCode status)
    {
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server);
        var seen = Answers(server, ServerFailure.Bare(status, "no"));

        await FailAsync(client);

        seen.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Truncated_BeforeTheFirstToken_IsNotTriedAgain()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server);
        server.Service.Streams();

        var failure = await FailAsync(client);

        failure.Kind.ShouldBe(GenerationFailureKind.Truncated);
        failure.Attempts.ShouldBe(1);
    }

    [Fact]
    public async Task Pushback_IsWaitedToTheMillisecond()
    {
        var time = new FakeTimeProvider();
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server, options => options.TimeProvider = time);
        var seen = Answers(server, Overloaded("1500"));

        var answer = client.GenerateTextAsync("hi", cancellationToken: Token);
        await time.HasArmedAsync(1).WaitAsync(Hang, Token);
        time.Advance(TimeSpan.FromMilliseconds(1499));
        time.ArmedTimers.ShouldBe(1);
        seen.Count.ShouldBe(1);
        time.Advance(TimeSpan.FromMilliseconds(1));

        (await answer).ShouldBe("Hello world");
    }

    [Fact]
    public async Task Wait_BeyondTheBudget_IsNotBegun()
    {
        var time = new FakeTimeProvider();
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server, options =>
        {
            options.TimeProvider = time;
            options.Retry.Budget = TimeSpan.FromSeconds(2);
        });
        Answers(server, Overloaded("2000"));

        var failure = await FailAsync(client);

        failure.RetrySafe.ShouldBeTrue();
        failure.RetryAfter.ShouldBe(TimeSpan.FromSeconds(2));
        time.ArmedTimers.ShouldBe(0);
    }

    [Fact]
    public async Task Wait_BeyondTheDeadline_IsNotBegun()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server, options => options.GenerateTimeout = TimeSpan.FromSeconds(20));
        Answers(server, Overloaded("20000"));

        (await FailAsync(client)).Reason.ShouldBe(ErrorReason.Overloaded);
    }

    [Fact]
    public async Task Deadline_IsTheSameForEveryAttempt()
    {
        var time = new FakeTimeProvider();
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server, options => options.TimeProvider = time);
        var deadlines = new List<DateTime>();
        server.Service.OnGenerate = async (_, stream, context) =>
        {
            deadlines.Add(context.Deadline);
            if (deadlines.Count == 1) throw Overloaded("5000");
            await stream.WriteAsync(Chunks.End(1), context.CancellationToken);
        };

        var answer = client.GenerateTextAsync("hi", new GenerateCallOptions { Timeout = TimeSpan.FromHours(1) }, Token);
        await time.HasArmedAsync(1).WaitAsync(Hang, Token);
        time.Advance(TimeSpan.FromSeconds(5));
        await answer;

        // The server counts from when it reads the header, so it sees them a little apart; five seconds would show.
        (deadlines[1] - deadlines[0]).ShouldBeLessThan(TimeSpan.FromSeconds(4));
    }

    [Fact]
    public async Task TokenCancelled_DuringAWait_EndsItAtOnce()
    {
        var time = new FakeTimeProvider();
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server, options => options.TimeProvider = time);
        Answers(server, Overloaded("10000"));
        using var cancel = new CancellationTokenSource();

        var answer = client.GenerateTextAsync("hi", cancellationToken: cancel.Token);
        await time.HasArmedAsync(1).WaitAsync(Hang, Token);
        await cancel.CancelAsync();

        (await Should.ThrowAsync<OperationCanceledException>(answer)).CancellationToken.ShouldBe(cancel.Token);
    }

    [Fact]
    public async Task Failure_AfterProgress_IsTriedAgainAndAllProgressIsSeen()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server);
        var attempts = 0;
        server.Service.OnGenerate = async (_, stream, context) =>
        {
            await stream.WriteAsync(Waiting(1, ProgressPhase.Queued), context.CancellationToken);
            await stream.WriteAsync(Waiting(2, ProgressPhase.Connecting), context.CancellationToken);
            if (++attempts == 1) throw Overloaded("0", lastSequence: 2);
            var first = Chunks.First("Hello");
            first.Sequence = 3;
            await stream.WriteAsync(first, context.CancellationToken);
            await stream.WriteAsync(Chunks.End(4), context.CancellationToken);
        };

        var generation = client.GenerateAsync(WithProgress(), cancellationToken: Token);
        var received = await generation.ToListAsync(Token);

        received.Select(chunk => chunk.Sequence).ShouldBe([1, 2, 1, 2, 3, 4]);
        generation.Attempts.ShouldBe(2);
        generation.Started!.RequestId.ShouldBe(Chunks.RequestId);
    }

    [Fact]
    public async Task ReaderLeaves_DuringProgress_ServerSeesCancel()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server);
        server.Service.StreamsThenHangs(Waiting(1, ProgressPhase.Queued));

        await foreach (var chunk in client.GenerateAsync(WithProgress(), cancellationToken: Token))
        {
            chunk.Progress.Phase.ShouldBe(ProgressPhase.Queued);
            break;
        }

        await server.Service.CancelSeen.WaitAsync(Hang, Token);
    }

    [Fact]
    public async Task TokenCancelled_DuringProgress_ThrowsWithItAndServerSeesCancel()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server);
        server.Service.StreamsThenHangs(Waiting(1, ProgressPhase.Queued));
        using var cancel = new CancellationTokenSource();

        var exception = await Should.ThrowAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in client.GenerateAsync(WithProgress(), cancellationToken: cancel.Token)) await cancel.CancelAsync();
        });

        exception.CancellationToken.ShouldBe(cancel.Token);
        await server.Service.CancelSeen.WaitAsync(Hang, Token);
    }

    [Fact]
    public async Task ReaderLeaves_DuringAWaitAfterProgress_EndsTheWait()
    {
        var time = new FakeTimeProvider();
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server, options => options.TimeProvider = time);
        server.Service.StreamsThenFails(Overloaded("10000", lastSequence: 1), Waiting(1, ProgressPhase.Queued));

        await foreach (var _ in client.GenerateAsync(WithProgress(), cancellationToken: Token))
        {
            await time.HasArmedAsync(1).WaitAsync(Hang, Token);
            break;
        }

        time.ArmedTimers.ShouldBe(0);
    }

    [Fact]
    public async Task Stream_ResetBeforeAnyMessage_IsTriedAgain()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = ClientOf(server);
        var attempts = 0;
        server.Service.OnGenerate = async (_, stream, context) =>
        {
            if (++attempts == 1)
            {
                context.GetHttpContext().Abort();
                return;
            }

            await stream.WriteAsync(Chunks.End(1), context.CancellationToken);
        };

        await client.GenerateAnswerAsync(new GenerateRequest(), cancellationToken: Token);

        attempts.ShouldBe(2);
    }

    [Fact]
    public async Task Connection_RefusedAtFirst_IsTriedAgain()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.Answer());
        var refused = 0;
        await using var client = ClientOf(server, options => options.ConfigureHandler = handler =>
            handler.ConnectCallback = async (context, token) =>
            {
                if (refused++ == 0) throw new SocketException((int)SocketError.ConnectionRefused);
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                await socket.ConnectAsync(context.DnsEndPoint, token);
                return new NetworkStream(socket, ownsSocket: true);
            });

        (await client.GenerateTextAsync("hi", cancellationToken: Token)).ShouldBe("Hello world");

        refused.ShouldBe(2);
    }

    [Fact]
    public async Task Server_StartedAfterTheFirstAttempt_IsFound()
    {
        var address = FailureTests.UnusedAddress();
        await using var client = new GrpcLlmClient(address, new GrpcLlmClientOptions
        {
            Retry = { MaxAttempts = 10, BaseDelay = TimeSpan.FromMilliseconds(500), MaxDelay = TimeSpan.FromMilliseconds(500) },
        });

        var answer = client.GenerateTextAsync("hi", cancellationToken: Token);
        await using var server = await TestServer.StartAsync(address.Port);
        server.Service.Streams(Chunks.Answer());

        (await answer).ShouldBe("Hello world");
    }

    [Fact]
    public async Task Server_NeverThere_IsTransportFailureOfTheLastAttempt()
    {
        await using var client = new GrpcLlmClient(FailureTests.UnusedAddress(), new GrpcLlmClientOptions
        {
            Retry = { BaseDelay = TimeSpan.Zero },
        });

        var failure = await FailAsync(client);

        failure.Kind.ShouldBe(GenerationFailureKind.Transport);
        failure.Attempts.ShouldBe(3);
    }

    private static GrpcLlmClient ClientOf(TestServer server, Action<GrpcLlmClientOptions>? configure = null)
    {
        var options = new GrpcLlmClientOptions { Retry = { BaseDelay = TimeSpan.Zero } };
        configure?.Invoke(options);
        return new GrpcLlmClient(server.Address, options);
    }

    private static RpcException Overloaded(string pushback, ulong lastSequence = 0) => ServerFailure.Of(
        StatusCode.Unavailable, "OVERLOADED", "full", retrySafe: true, pushback: pushback, lastSequence: lastSequence);

    private static TokenChunk Waiting(ulong sequence, ProgressPhase phase) =>
        new() { Sequence = sequence, Progress = new Progress { Phase = phase } };

    private static GenerateRequest WithProgress() => new() { Output = new OutputOptions { Progress = true } };

    /// <summary>Lets the first calls fail so and answers the others; returns the requests as they come.</summary>
    private static List<GenerateRequest> Answers(TestServer server, params RpcException[] failures)
    {
        var seen = new List<GenerateRequest>();
        server.Service.OnGenerate = async (request, stream, context) =>
        {
            seen.Add(request);
            if (seen.Count <= failures.Length) throw failures[seen.Count - 1];
            foreach (var chunk in Chunks.Answer()) await stream.WriteAsync(chunk, context.CancellationToken);
        };
        return seen;
    }

    private static Task<GenerationException> FailAsync(GrpcLlmClient client, GenerateCallOptions? options = null) =>
        Should.ThrowAsync<GenerationException>(client.GenerateTextAsync("hi", options, Token));
}
