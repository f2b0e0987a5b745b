using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Backends;
using GrpcLlm.V1;
using Xds.Data.Orca.V3;

namespace GrpcLlm.FunctionalTests.Telemetry;

/// <summary>Every end of a call tells load balancers how busy the server is (gRFC A51).</summary>
public sealed class LoadReportTests
{
    private const string Trailer = "endpoint-load-metrics-bin";

    [Fact]
    public async Task Success_TellsWhoRunsAndWaits_AndTheTokens()
    {
        var backend = new ScriptedBackend(static (call, token) => call.Request.Prompt == "wait"
            ? WaitAsync(token)
            : Text("a", "b", "c"));
        await using var server = await LlmServer.StartAsync(backend, "GrpcLlm:Admission:MaxConcurrent=4");
        using var waiting = server.Client.Generate(new GenerateRequest { Prompt = "wait" }, cancellationToken: TestContext.Current.CancellationToken);
        await backend.NextRunAsync();

        var report = Report(await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" }));

        // The call itself has given up its place.
        report.ApplicationUtilization.ShouldBe(0.25);
        report.NamedMetrics.Keys.Order(StringComparer.Ordinal).ShouldBe(["active_streams", "queued_streams", "tokens_per_second"]);
        report.NamedMetrics["active_streams"].ShouldBe(1);
        report.NamedMetrics["queued_streams"].ShouldBe(0);
        report.NamedMetrics["tokens_per_second"].ShouldBeGreaterThan(0);
        report.RpsFractional.ShouldBeGreaterThan(0);
        report.Eps.ShouldBe(0);
    }

    [Fact]
    public async Task Failure_TellsItToo_AndCountsOnlyWhatTheClientDidNotCause()
    {
        var backend = new ScriptedBackend(static (_, _) => throw new BackendException(BackendFailure.Unavailable, "Down."));
        await using var server = await LlmServer.StartAsync(backend);

        Report(await Answer.OfAsync(server, new GenerateRequest { Model = "nobody", Prompt = "p" })).Eps.ShouldBe(0);
        Report(await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" })).Eps.ShouldBeGreaterThan(0);
    }

    private static OrcaLoadReport Report(Answer answer) => OrcaLoadReport.Parser.ParseFrom(answer.Trailers.GetValueBytes(Trailer));

    private static async IAsyncEnumerable<BackendEvent> Text(params string[] deltas)
    {
        foreach (var delta in deltas)
        {
            await Task.Yield();
            yield return BackendEvent.TextDelta(delta);
        }

        yield return BackendEvent.Finished(new BackendEnding(FinishReason.Stop));
    }

    private static async IAsyncEnumerable<BackendEvent> WaitAsync(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
        yield break;
    }
}
