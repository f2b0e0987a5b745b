using GrpcLlm.Server.Tests.Hosting;
using Microsoft.Extensions.Options;

namespace GrpcLlm.Server.Tests.Backends.Simulator;

/// <summary>Settings that cannot be served stop the start, each named.</summary>
public sealed class SimulatorRulesTests
{
    [Theory]
    [InlineData("TimeFactorUnderLoad", "0.9", "TimeFactorUnderLoad: must be 1 to 1000, is 0.9")]
    [InlineData("TimeFactorUnderLoad", "2", "TimeFactorUnderLoad: needs a MaxConcurrent of 2 or more, the load at which it is reached")]
    [InlineData("MaxConcurrent", "-1", "MaxConcurrent: must be 0 to 1000000, is -1")]
    [InlineData("MaxQueue", "many", "MaxQueue: 'many' is not a number")]
    [InlineData("PauseLength", "00:00:02", "PauseLength: needs PauseEvery")]
    [InlineData("PauseEvery", "00:00:02", "PauseEvery: needs PauseLength")]
    [InlineData("FirstTokenTimeout", "00:00:00", "FirstTokenTimeout: must be 00:00:00.0010000 to 01:00:00, is 00:00:00")]
    [InlineData("AllowRequestOverrides", "maybe", "AllowRequestOverrides: 'maybe' is not true or false")]
    [InlineData("Faults", "reset", "Faults: must be a section, not the value 'reset'")]
    public void OneSetting_IsNamed(string key, string value, string error) => Errors((key, value)).ShouldBe([error]);

    [Fact]
    public void PauseThatNeverEnds_IsNamed() =>
        Errors(("PauseEvery", "00:00:02"), ("PauseLength", "00:00:02")).ShouldBe(["PauseLength: must be less than PauseEvery, 00:00:02"]);

    [Theory]
    [InlineData("Kind", "", "Kind: is required")]
    [InlineData("Kind", "none", "Kind: 'none' is not an HTTP status from 400 to 599, refused, stall, reset, truncate, malformed or slow")]
    [InlineData("Kind", "reset@3", "Kind: 'reset@3' is not an HTTP status from 400 to 599, refused, stall, reset, truncate, malformed or slow")]
    [InlineData("Rate", "0", "Rate: must be 1E-06 to 1, is 0")]
    [InlineData("Rate", "1.1", "Rate: must be 1E-06 to 1, is 1.1")]
    [InlineData("Rate", "NaN", "Rate: must be 1E-06 to 1, is NaN")]
    [InlineData("AfterTokens", "-1", "AfterTokens: must be 0 to 1000000, is -1")]
    [InlineData("RetryAfter", "00:00:05", "RetryAfter: needs a status as the Kind, and no AfterTokens")]
    [InlineData("Factor", "3", "Factor: has no meaning with reset")]
    [InlineData("Chance", "3", "Chance: there is no such setting")]
    public void OneSettingOfAFault_IsNamed(string key, string value, string error) =>
        Errors(("Faults:0:Kind", "reset"), ("Faults:0:Rate", "0.1"), ($"Faults:0:{key}", value))
            .Where(static one => !one.StartsWith("Faults: ", StringComparison.Ordinal)).ShouldBe([$"Faults:0:{error}"]);

    [Fact]
    public void AllWrongFaults_AreNamedAtOnce() =>
        Errors(
            ("Faults:0:Kind", "refused"), ("Faults:0:Rate", "0.6"), ("Faults:0:AfterTokens", "2"),
            ("Faults:1:Kind", "slow"), ("Faults:1:Rate", "0.6"), ("Faults:1:AfterTokens", "2"), ("Faults:1:Factor", "1"),
            ("Faults:2:Kind", "429")).ShouldBe(
            [
                "Faults:0:AfterTokens: has no meaning with refused", "Faults:1:AfterTokens: has no meaning with slow",
                "Faults:1:Factor: must be 1.000001 to 1000, is 1", "Faults:2:Rate: must be 1E-06 to 1, is 0",
                "Faults: the Rates of all faults are together more than 1; an answer has at most one",
            ],
            ignoreOrder: true);

    [Fact]
    public void Everything_IsTaken() =>
        Errors(
            ("MaxConcurrent", "8"), ("MaxQueue", "0"), ("TimeFactorUnderLoad", "2.5"), ("PauseEvery", "00:00:30"), ("PauseLength", "00:00:02"),
            ("AllowRequestOverrides", "true"), ("FirstTokenTimeout", "00:00:05"), ("IdleTimeout", "00:00:05"),
            ("Faults:0:Kind", "429"), ("Faults:0:Rate", "0.1"), ("Faults:0:RetryAfter", "00:00:05"),
            ("Faults:1:Kind", "Stall"), ("Faults:1:Rate", "0.2"), ("Faults:1:AfterTokens", "10"),
            ("Faults:2:Kind", "slow"), ("Faults:2:Rate", "0.7"), ("Faults:2:Factor", "4.5")).ShouldBeEmpty();

    private static List<string> Errors(params (string Key, string Value)[] settings)
    {
        const string path = "GrpcLlm:Backends:sim:";
        try
        {
            DeploymentGiven.Of([.. settings.Select(static setting => ($"Backends:sim:{setting.Key}", setting.Value))]);
            return [];
        }
        catch (OptionsValidationException exception)
        {
            return [.. exception.Failures.Select(static failure => failure.Replace(path, "", StringComparison.Ordinal))];
        }
    }
}
