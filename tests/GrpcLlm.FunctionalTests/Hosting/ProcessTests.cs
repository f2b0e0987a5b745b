using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace GrpcLlm.FunctionalTests.Hosting;

/// <summary>The server as a process: signals, exit codes and what stands on standard error.</summary>
public sealed class ProcessTests
{
    private const int Streams = 200;

    // Odd ones fit the grace, even ones by far do not.
    private const int ShortTokens = 30;
    private const int LongTokens = 100_000;

    private static readonly string[] Paced =
    [
        "GrpcLlm:DefaultModel=simulator", "GrpcLlm:Backends:simulator:TimeToFirstToken=00:00:00",
        "GrpcLlm:Backends:simulator:InterTokenLatency=00:00:00.05",
    ];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Sigterm_WithManyStreams_EndsEachWithItsFinishOrATypedErrorAndTheProcessWithZero()
    {
        await using var process = await ServerProcess.StartAsync([.. Paced, "GrpcLlm:Shutdown:Grace=00:00:06"]);
        using var channel = GrpcChannel.ForAddress(process.Address);
        var client = new GenerationService.GenerationServiceClient(channel);
        using var watch = new Health.HealthClient(channel).Watch(new HealthCheckRequest(), cancellationToken: Cancelled);
        (await watch.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
        var calls = Enumerable.Range(0, Streams).Select(index => client.Generate(
            Request(index % 2 == 1 ? ShortTokens : LongTokens), cancellationToken: Cancelled)).ToArray();
        var started = new CountdownEvent(Streams);
        var answers = calls.Select(call => ReadAsync(call, started)).ToArray();
        await Eventually.IsAsync(() => started.IsSet);

        await process.SignalAsync("TERM");

        (await watch.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
        watch.ResponseStream.Current.Status.ShouldBe(ServingStatus.NotServing);
        using var refused = client.Generate(Request(1), cancellationToken: Cancelled);
        (await Answer.OfAsync(refused)).Reason.ShouldBe("DRAINING");
        var ends = await Task.WhenAll(answers);
        for (var index = 0; index < Streams; index++)
        {
            var end = ends[index];
            if (index % 2 == 1)
            {
                end.Status.StatusCode.ShouldBe(StatusCode.OK);
                end.Finish.Reason.ShouldBe(FinishReason.Length);
                end.Finish.Usage.OutputTokens.ShouldBe((uint)ShortTokens);
                continue;
            }

            end.Status.StatusCode.ShouldBe(StatusCode.Aborted);
            end.Reason.ShouldBe("DRAINING");
            end.ErrorMetadata["last_sequence"].ShouldBe($"{end.Chunks[^1].Sequence}");
            end.ErrorMetadata["streamed_tokens"].ShouldBe($"{end.Chunks.Sum(static chunk => (long)chunk.TokenCount)}");
        }

        (await process.ExitAsync()).ShouldBe(0);
        foreach (var call in calls) call.Dispose();
        started.Dispose();
    }

    [Fact]
    public async Task SecondSigterm_EndsTheProcessAtOnce()
    {
        await using var process = await ServerProcess.StartAsync([.. Paced, "GrpcLlm:Shutdown:Grace=1.00:00:00"]);
        using var channel = GrpcChannel.ForAddress(process.Address);
        using var watch = new Health.HealthClient(channel).Watch(new HealthCheckRequest(), cancellationToken: Cancelled);
        using var running = new GenerationService.GenerationServiceClient(channel).Generate(Request(LongTokens), cancellationToken: Cancelled);
        (await running.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
        (await watch.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();
        await process.SignalAsync("TERM");
        (await watch.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();

        await process.SignalAsync("TERM");

        (await process.ExitAsync()).ShouldBe(128 + 15);
    }

    [Fact]
    public async Task SettingsFileThatIsNoJson_EndsWithItsNameAndNoStack()
    {
        var environment = $"Broken{Guid.NewGuid():N}";
        var file = Path.Combine(AppContext.BaseDirectory, $"appsettings.{environment}.json");
        await File.WriteAllTextAsync(file, """{ "GrpcLlm": { "Backends": { "up": { "ApiKeys": [ "sk-secret" """, Cancelled);
        try
        {
            await using var process = ServerProcess.Launch(environment);

            (await process.ExitAsync()).ShouldBe(2);

            var lines = process.TakeLines();
            lines.ShouldHaveSingleItem().ShouldSatisfyAllConditions(
                line => line.ShouldStartWith("configuration: "),
                line => line.ShouldContain(file),
                line => line.ShouldContain("LineNumber: 0"),
                line => line.ShouldNotContain("secret"));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task RemoteEndpointWithoutTenants_EndsWithBothRemedies()
    {
        await using var process = ServerProcess.Launch(null, "Kestrel:Endpoints:Grpc:Url=http://0.0.0.0:0", "GrpcLlm:DefaultModel=simulator");

        (await process.ExitAsync()).ShouldBe(2);

        process.TakeLines().ShouldContain(
            "configuration: http://0.0.0.0:0 can be reached from other machines, and with no tenants configured anybody there "
            + "could call: configure GrpcLlm:Tenants, or set GrpcLlm:AllowAnonymousRemote=true to serve everybody");
    }

    private static GenerateRequest Request(int tokens) =>
        new() { Prompt = "p", Limits = new GenerationLimits { MaxOutputTokens = (uint)tokens } };

    private static async Task<Answer> ReadAsync(AsyncServerStreamingCall<TokenChunk> call, CountdownEvent started)
    {
        await call.ResponseHeadersAsync;
        started.Signal();
        return await Answer.OfAsync(call);
    }
}
