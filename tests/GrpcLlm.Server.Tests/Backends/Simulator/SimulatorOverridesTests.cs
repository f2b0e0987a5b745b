using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Simulator;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Simulator;

public sealed class SimulatorOverridesTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static readonly SimulatorOptions Allowing = new()
    {
        AllowRequestOverrides = true, TimeToFirstToken = TimeSpan.FromMilliseconds(200), InterTokenLatency = TimeSpan.FromMilliseconds(20),
        PrefillTimePerToken = TimeSpan.FromMilliseconds(1), Faults = { new SimulatorFaultOptions { Kind = "500", Rate = 1 } },
    };

    [Fact]
    public async Task AllOfThem_HoldForTheCall()
    {
        var rig = new SimulatorRig(Allowing);
        await using var events = await rig.OpenAsync(metadata: new Dictionary<string, string>
        {
            ["Simulate-TTFT-ms"] = "5.5", ["simulate-itl-ms"] = "0.5", ["simulate-output-tokens"] = "3", ["simulate-fault"] = "none",
        });

        await rig.ComesAfterAsync(events, 5.5);
        await rig.ComesAfterAsync(events, 0.5);
        await rig.ComesAfterAsync(events, 0.5);
        (await events.MoveNextAsync()).ShouldBeTrue();
        events.Current.Ending!.Reason.ShouldBe(FinishReason.Stop);
        events.Current.Ending!.Usage!.OutputTokens.ShouldBe(3u);

        // The next call chooses nothing.
        (await rig.ReadAsync()).Failure!.HttpStatus.ShouldBe(500);
    }

    [Theory]
    [InlineData("3", null, null, 3u, FinishReason.Stop)]
    [InlineData("3", 3u, null, 3u, FinishReason.Stop)]
    [InlineData("3", 5u, null, 3u, FinishReason.Stop)]
    [InlineData("5", 3u, null, 3u, FinishReason.Length)]
    [InlineData("3", 5u, 4u, 4u, FinishReason.Stop)]
    public async Task OutputTokens_BesideTheLimitsOfTheRequest(string chosen, uint? most, uint? least, uint tokens, FinishReason reason)
    {
        var limits = new GenerationLimits();
        if (most is { } max) limits.MaxOutputTokens = max;
        if (least is { } min) limits.MinOutputTokens = min;
        var backend = new SimulatorRig(new SimulatorOptions { AllowRequestOverrides = true }).Backend;
        var call = new BackendCall(new GenerateRequest { Prompt = "p", Limits = limits }, "m")
        {
            Metadata = SimulatorRig.Choosing("simulate-output-tokens", chosen),
        };

        var events = await backend.GenerateAsync(call, Token).ToListAsync(Token);

        events.Count(static piece => piece.Kind == BackendEventKind.Text).ShouldBe((int)tokens);
        events[^1].Ending!.Reason.ShouldBe(reason);
        events[^1].Ending!.Usage!.OutputTokens.ShouldBe(tokens);
    }

    [Theory]
    [InlineData("simulate-ttft-ms", "0")]
    [InlineData("simulate-ttft-ms", "3600000")]
    [InlineData("simulate-itl-ms", "0.001")]
    [InlineData("simulate-output-tokens", "1")]
    [InlineData("simulate-output-tokens", "1000000")]
    [InlineData("simulate-fault", "reset@10")]
    public void GoodValue_IsTaken(string key, string value) => Violations(Allowing, key, value).ShouldBeEmpty();

    [Theory]
    [InlineData("simulate-ttft-ms", "-1")]
    [InlineData("simulate-ttft-ms", "3600000.1")]
    [InlineData("simulate-ttft-ms", "NaN")]
    [InlineData("simulate-ttft-ms", "1e3")]
    [InlineData("simulate-ttft-ms", "20ms")]
    [InlineData("simulate-ttft-ms", "")]
    [InlineData("simulate-ttft-ms", "1,2")]
    [InlineData("simulate-itl-ms", "x")]
    [InlineData("simulate-output-tokens", "0")]
    [InlineData("simulate-output-tokens", "1000001")]
    [InlineData("simulate-output-tokens", "1.5")]
    [InlineData("simulate-fault", "explode")]
    [InlineData("simulate-ttft", "5")]
    [InlineData("simulate-fault-bin", "AA")]
    public void BadValueOrKey_IsNamed(string key, string value) => Violations(Allowing, key, value).ShouldBe([$"metadata[{key}]"]);

    [Fact]
    public void SeveralBadValues_AreAllNamed()
    {
        var violations = new Violations();

        new SimulatorRig(Allowing).Backend.FindUnsupported(
            new Dictionary<string, string> { ["simulate-ttft-ms"] = "x", ["simulate-itl-ms"] = "1", ["simulate-fault"] = "y" }, violations);

        violations.Select(static one => one.Field).ShouldBe(["metadata[simulate-fault]", "metadata[simulate-ttft-ms]"]);
    }

    [Fact]
    public void NotAllowed_IsNamed_GoodOrBad() =>
        Violations(new SimulatorOptions(), "simulate-itl-ms", "1").ShouldBe(["metadata[simulate-itl-ms]"]);

    private static List<string> Violations(SimulatorOptions options, string key, string value)
    {
        var violations = new Violations();
        new SimulatorRig(options).Backend.FindUnsupported(SimulatorRig.Choosing(key, value), violations);
        return [.. violations.Select(static one => one.Field)];
    }
}
