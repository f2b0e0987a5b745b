using System.Text.Json;
using GrpcLlm.Cli.Bench.Load;
using GrpcLlm.Cli.Bench.Profiles;
using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Client.Tests.Cli.Bench.Load;

/// <summary>Runs of a load against a scripted service.</summary>
internal static class LoadRig
{
    /// <summary>Requests whose prompt is the number of the call.</summary>
    public static CallSource Calls { get; } = new(
        CallTemplates.Of(new GhzProfile { Data = JsonDocument.Parse("""{"prompt": "{{.RequestNumber}}"}""").RootElement }, 0, TimeProvider.System),
        dataset: null);

    public static LoadPlan Closed(int callers, long? total = null) => new() { Curve = LoadCurve.Constant(callers), Total = total };

    public static LoadPlan Open(double rate, long? total = null) => new() { Curve = LoadCurve.Constant(rate), Total = total, IsOpen = true };

    public static Task<Target> ConnectAsync(TestServer server, int connections = 1) =>
        Target.ConnectAsync(new GrpcLlmClientOptions { Address = server.Address }, connections, TestContext.Current.CancellationToken);

    /// <summary>Runs a load in real time, to its own end.</summary>
    public static Task<BenchRun> RunToEndAsync(TestServer server, LoadPlan plan) => RunAsync(server, plan, TestContext.Current.CancellationToken);

    /// <summary>Runs a load in real time, until it is interrupted.</summary>
    public static async Task<BenchRun> RunAsync(TestServer server, LoadPlan plan, CancellationToken interrupted)
    {
        using var target = await ConnectAsync(server, plan.Connections);
        using var run = new LoadRun(plan, target, Calls, TimeProvider.System);
        return await run.RunAsync(interrupted);
    }
}
