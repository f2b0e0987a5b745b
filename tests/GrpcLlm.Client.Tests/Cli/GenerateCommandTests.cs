using System.Text.Json;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.Cli;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests.Cli;

public sealed class GenerateCommandTests
{
    /// <summary>Only a test that hangs ever meets it.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(30);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Generate_Success_PrintsTextToStdoutAndReportToStderr()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.Answer());

        var run = await CliRun.OfAsync(server, "generate", "hi");

        run.ExitCode.ShouldBe(ExitCodes.Well);
        run.Output.ShouldBe("Hello world\n");
        run.ErrorLines.ShouldBe(
        [
            "finish    stop",
            "usage     3 input, 2 output tokens, counted",
            "timing    ttft 203 ms, tpot 20.1 ms, 4.00 tokens/s, total 500 ms",
            "model     tiny on embedded",
            "request   req-1",
        ]);
    }

    [Fact]
    public async Task Generate_EveryOption_IsInTheRequest()
    {
        await using var server = await TestServer.StartAsync();
        GenerateRequest? seen = null;
        server.Service.OnGenerate = async (request, stream, context) =>
        {
            seen = request;
            await stream.WriteAsync(Chunks.End(1), context.CancellationToken);
        };

        var run = await CliRun.OfAsync(
            server, "generate", "@hi", "--model", "m", "--max-tokens", "7", "--temperature", "0", "--top-p", "0.9",
            "--top-k", "0", "--min-p", "0.05", "--seed", "-5", "--stop", "\n", "--stop", "END", "--logprobs",
            "--request-id", "id-7", "--deadline", "1h");

        run.ExitCode.ShouldBe(ExitCodes.Well);
        seen.ShouldBe(new GenerateRequest
        {
            RequestId = "id-7",
            Model = "m",
            Prompt = "@hi",
            Sampling = new SamplingOptions { Temperature = 0, TopP = 0.9, TopK = 0, MinP = 0.05, Seed = -5 },
            Limits = new GenerationLimits
            {
                MaxOutputTokens = 7,
                StopSequences = { "\n", "END" },
                TimeBudget = Duration.FromTimeSpan(TimeSpan.FromHours(1)),
            },
            Output = new OutputOptions { Logprobs = true },
        });
    }

    [Theory]
    [InlineData("a prompt\n")]
    [InlineData("a prompt\r\n")]
    [InlineData("a prompt", "-")]
    public async Task Generate_PromptOnStdin_IsReadWithoutItsLastLineBreak(string stdin, params string[] argument)
    {
        await using var server = await TestServer.StartAsync();
        string? seen = null;
        server.Service.OnGenerate = async (request, stream, context) =>
        {
            seen = request.Prompt;
            await stream.WriteAsync(Chunks.End(1), context.CancellationToken);
        };

        await CliRun.OfAsync(["generate", .. argument, "--address", server.Address.ToString()], stdin);

        seen.ShouldBe("a prompt");
    }

    [Fact]
    public async Task Generate_NoPromptOnATerminal_IsWrongUsage()
    {
        var run = await CliRun.OfAsync(["generate"], with: console => console with { InputIsRedirected = false });

        run.ExitCode.ShouldBe(ExitCodes.Usage);
    }

    [Fact]
    public async Task Generate_Json_PrintsEachChunkAsOneLineAndNothingElse()
    {
        await using var server = await TestServer.StartAsync();
        var chunks = Chunks.Answer();
        chunks[1].Text = "zwei\nZeilen \"é\" 👋";
        server.Service.Streams(chunks);

        var run = await CliRun.OfAsync(server, "generate", "hi", "--json", "--verbose");

        run.OutputLines.Select(TokenChunk.Parser.ParseJson).ShouldBe(chunks);
        run.Error.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("INVALID_REQUEST", StatusCode.InvalidArgument, ExitCodes.Rejected)]
    [InlineData("MODEL_NOT_FOUND", StatusCode.NotFound, ExitCodes.Rejected)]
    [InlineData("UPSTREAM_REJECTED", StatusCode.FailedPrecondition, ExitCodes.Rejected)]
    [InlineData("UNAUTHENTICATED", StatusCode.Unauthenticated, ExitCodes.NotAllowed)]
    [InlineData("MODEL_FORBIDDEN", StatusCode.PermissionDenied, ExitCodes.NotAllowed)]
    [InlineData("OVERLOADED", StatusCode.Unavailable, ExitCodes.Unavailable)]
    [InlineData("QUOTA_EXCEEDED", StatusCode.ResourceExhausted, ExitCodes.Unavailable)]
    [InlineData("DEADLINE", StatusCode.DeadlineExceeded, ExitCodes.Unavailable)]
    [InlineData("INTERNAL", StatusCode.Internal, ExitCodes.Failed)]
    public async Task Generate_Failure_HasItsExitCodeReasonAndRequestIdInThreeLines(string reason, StatusCode status, int code)
    {
        await using var server = await TestServer.StartAsync();
        server.Service.StreamsThenFails(ServerFailure.Of(status, reason, "the message"));

        var run = await CliRun.OfAsync(server, "generate", "hi");

        run.ExitCode.ShouldBe(code);
        run.Output.ShouldBeEmpty();
        run.ErrorLines.Length.ShouldBeLessThanOrEqualTo(3);
        run.ErrorLines[0].ShouldContain(reason);
        run.ErrorLines[0].ShouldContain(Chunks.RequestId);
        run.ErrorLines[1].ShouldBe("  why:  the message");
    }

    [Fact]
    public async Task Generate_Violations_AreAllNamed()
    {
        await using var server = await TestServer.StartAsync();
        var bad = new BadRequest();
        bad.FieldViolations.Add(new BadRequest.Types.FieldViolation { Field = "sampling.top_p", Description = "too large" });
        bad.FieldViolations.Add(new BadRequest.Types.FieldViolation { Field = "limits", Description = "too \e[31msmall\n" });
        server.Service.StreamsThenFails(ServerFailure.Of(StatusCode.InvalidArgument, "INVALID_REQUEST", "bad", extras: bad));

        var run = await CliRun.OfAsync(server, "generate", "hi");

        run.ErrorLines.Length.ShouldBe(3);
        run.ErrorLines[1].ShouldBe("  why:  sampling.top_p: too large; limits: too \uFFFD[31msmall ");
    }

    [Fact]
    public async Task Generate_FailureAfterTokens_KeepsThemAndExitsCutShort()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.StreamsThenFails(
            ServerFailure.Of(StatusCode.Aborted, "UPSTREAM_STALLED", "silent", lastSequence: 1, streamedTokens: 1),
            Chunks.First("Hello"));

        var run = await CliRun.OfAsync(server, "generate", "hi");

        run.ExitCode.ShouldBe(ExitCodes.CutShort);
        run.Output.ShouldBe("Hello\n");
        run.ErrorLines[0].ShouldBe("grpcllm: cut short after 1 tokens (UPSTREAM_STALLED, ABORTED, request req-1)");
    }

    [Fact]
    public async Task Generate_StreamWithoutFinish_ExitsCutShort()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.First("Hello"));

        (await CliRun.OfAsync(server, "generate", "hi")).ExitCode.ShouldBe(ExitCodes.CutShort);
    }

    [Theory]
    [InlineData(FinishReason.Length, ExitCodes.Well)]
    [InlineData(FinishReason.StopSequence, ExitCodes.Well)]
    [InlineData(FinishReason.TimeBudget, ExitCodes.CutShort)]
    [InlineData(FinishReason.Cancelled, ExitCodes.CutShort)]
    public async Task Generate_FinishReason_DecidesTheExitCode(FinishReason reason, int code)
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.First("Hello"), Chunks.End(2, reason));

        (await CliRun.OfAsync(server, "generate", "hi")).ExitCode.ShouldBe(code);
    }

    [Fact]
    public async Task Generate_JsonFailure_IsOneJsonLineOnStderr()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.StreamsThenFails(
            ServerFailure.Of(StatusCode.Unavailable, "OVERLOADED", "queue full", retrySafe: true, pushback: "250"));

        var run = await CliRun.OfAsync(server, "generate", "hi", "--json");

        run.Output.ShouldBeEmpty();
        var error = JsonDocument.Parse(run.ErrorLines.ShouldHaveSingleItem()).RootElement.GetProperty("error");
        error.GetProperty("reason").GetString().ShouldBe("OVERLOADED");
        error.GetProperty("status").GetString().ShouldBe("UNAVAILABLE");
        error.GetProperty("retryAfterMs").GetInt64().ShouldBe(250);
        error.GetProperty("requestId").GetString().ShouldBe(Chunks.RequestId);
        error.GetProperty("exitCode").GetInt32().ShouldBe(ExitCodes.Unavailable);
    }

    [Fact]
    public async Task Generate_NoServer_SaysSoInThreeLines()
    {
        var address = FailureTests.UnusedAddress();

        var run = await CliRun.OfAsync(["generate", "hi", "--address", address.ToString()]);

        run.ExitCode.ShouldBe(ExitCodes.Unavailable);
        run.ErrorLines.Length.ShouldBe(3);
        run.ErrorLines[0].ShouldBe($"grpcllm: no server answers at {address.GetLeftPart(UriPartial.Authority)} (UNAVAILABLE)");
        run.ErrorLines[2].ShouldContain("--address");
    }

    [Fact]
    public async Task Generate_AddressFromEnvironment_IsUsed()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.Answer());

        var run = await CliRun.OfAsync(["generate", "hi"], with: console => console with
        {
            Variable = name => name is CommonOptions.AddressVariable ? server.Address.Authority : null,
        });

        run.Output.ShouldBe("Hello world\n");
    }

    [Fact]
    public async Task Generate_Interrupted_CancelsPrintsWhatThereIsAndExits130()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.StreamsThenHangs(Chunks.First("Hello"));
        await using var output = new FlushedWriter { NewLine = "\n" };
        await using var error = new StringWriter { NewLine = "\n" };
        using var interrupt = new CancellationTokenSource();

        var running = CliHost.RunAsync(
            ["generate", "hi", "--address", server.Address.ToString()], TextReader.Null, output, error, interrupt.Token);
        await output.Flushed.WaitAsync(Hang, Token);
        await interrupt.CancelAsync();

        (await running.WaitAsync(Hang, Token)).ShouldBe(ExitCodes.Interrupted);
        await server.Service.CancelSeen.WaitAsync(Hang, Token);
        output.ToString().ShouldBe("Hello\n");
        error.ToString().ShouldBe(
            """
            finish    none, 1 tokens came before the end
            model     tiny on embedded
            request   req-1
            grpcllm: interrupted

            """);
    }

    [Fact]
    public async Task Generate_OutputClosed_EndsTheGeneration()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.StreamsThenHangs(Chunks.First("Hello"));
        await using var output = new FlushedWriter { IsClosed = true };
        await using var error = new StringWriter();

        var code = await CliHost.RunAsync(
            ["generate", "hi", "--address", server.Address.ToString()], TextReader.Null, output, error, Token);

        code.ShouldBe(ExitCodes.Failed);
        await server.Service.CancelSeen.WaitAsync(Hang, Token);
    }

    [Fact]
    public async Task Generate_ControlCharactersOnATerminal_AreReplaced()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(Chunks.First("a\e]0;title\a\tb\n"), Chunks.End(2));
        string[] args = ["generate", "hi", "--address", server.Address.ToString()];

        var terminal = await CliRun.OfAsync(args, with: console => console with { OutputIsTerminal = true });
        var file = await CliRun.OfAsync(args);

        terminal.Output.ShouldBe("a\uFFFD]0;title\uFFFD\tb\n");
        file.Output.ShouldBe("a\e]0;title\a\tb\n");
    }

    [Fact]
    public async Task Generate_Reasoning_IsShownOnStderrWithVerboseOnly()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(
            new TokenChunk { Sequence = 1, TokenCount = 1, Reasoning = "hmm" }, Chunks.Text(2, "Hello"), Chunks.End(3));

        var quiet = await CliRun.OfAsync(server, "generate", "hi");
        var verbose = await CliRun.OfAsync(server, "generate", "hi", "--verbose");

        quiet.Output.ShouldBe("Hello\n");
        quiet.Error.ShouldNotContain("hmm");
        verbose.Output.ShouldBe("Hello\n");
        verbose.Error.ShouldStartWith("hmm\n");
    }

    [Fact]
    public async Task Generate_Logprobs_TellsMeanAndPerplexity()
    {
        await using var server = await TestServer.StartAsync();
        var chunk = Chunks.First("Hello", 2);
        chunk.Tokens.Add(new TokenDetail { Logprob = -1 });
        chunk.Tokens.Add(new TokenDetail { Logprob = -3 });
        server.Service.Streams(chunk, Chunks.End(2));

        var run = await CliRun.OfAsync(server, "generate", "hi", "--logprobs");

        run.Error.ShouldContain("\nlogprobs  mean -2.000 over 2 tokens, perplexity 7.39\n");
    }
}
