using GrpcLlm.Client;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Hosting;

/// <summary>A restart of the server as the callers of <see cref="GrpcLlmClient"/> see it: not at all.</summary>
public sealed class RestartTests
{
    private const int Callers = 16;
    private const int Tokens = 8;

    private static readonly string[] Paced =
    [
        "GrpcLlm:DefaultModel=simulator", "GrpcLlm:Backends:simulator:TimeToFirstToken=00:00:00.01",
        "GrpcLlm:Backends:simulator:InterTokenLatency=00:00:00.005",
    ];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>
    /// Whatever a call meets at the connection's end (a typed DRAINING, GOAWAY, a reset, nobody there), it is tried again
    /// while it has no token, and those that have one are finished by the server that stops.
    /// </summary>
    [Fact]
    public async Task Generate_WhileTheServerIsStoppedAndStarted_LosesNoCall()
    {
        await using var first = await ServerProcess.StartAsync(Paced);
        await using var client = new GrpcLlmClient(first.Address, new GrpcLlmClientOptions
        {
            Retry =
            {
                // As long as a slow machine takes to start a server.
                MaxAttempts = 10, BaseDelay = TimeSpan.FromMilliseconds(250), MaxDelay = TimeSpan.FromSeconds(30),
                Budget = TimeSpan.FromMinutes(5),
            },
        });
        var expected = await client.GenerateTextAsync(Request(), cancellationToken: Cancelled);
        var (begun, isOver) = (0, false);
        var callers = Enumerable.Range(0, Callers).Select(_ => CallAsync()).ToArray();
        await Eventually.IsAsync(() => Volatile.Read(ref begun) >= 4 * Callers);

        await first.SignalAsync("TERM");
        (await first.ExitAsync()).ShouldBe(0);
        await using var second = await ServerProcess.StartAsync([.. Paced, $"Kestrel:Endpoints:Grpc:Url={first.Address}"]);
        var then = Volatile.Read(ref begun);
        await Eventually.IsAsync(() => Volatile.Read(ref begun) >= then + (4 * Callers));
        Volatile.Write(ref isOver, true);

        (await Task.WhenAll(callers)).Sum().ShouldBeGreaterThanOrEqualTo(7 * Callers);

        async Task<int> CallAsync()
        {
            var calls = 0;
            for (; !Volatile.Read(ref isOver); calls++)
            {
                Interlocked.Increment(ref begun);
                (await client.GenerateTextAsync(Request(), cancellationToken: Cancelled)).ShouldBe(expected);
            }

            return calls;
        }
    }

    private static GenerateRequest Request() => new() { Prompt = "p", Limits = new GenerationLimits { MaxOutputTokens = Tokens } };
}
