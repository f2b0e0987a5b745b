using GrpcLlm.Server.Hosting;

namespace GrpcLlm.Server.Tests.Hosting;

public sealed class ConfigurationChangesTests
{
    [Fact]
    public void Between_SameSettingsInAnotherOrderAndCase_IsNothing() =>
        ConfigurationChanges.Between(
            DeploymentGiven.Settings(("Backends:a:Kind", "x"), ("DefaultModel", "m")),
            DeploymentGiven.Settings(("DEFAULTMODEL", "m"), ("backends:A:kind", "x"))).ShouldBeEmpty();

    [Fact]
    public void Between_NamesPartsInKindAndNeverAValue()
    {
        var changes = ConfigurationChanges.Between(
            DeploymentGiven.Settings(
                ("Backends:old:ApiKeys:0", "sk-1"), ("Backends:up:ApiKeys:0", "sk-2"), ("Tenants:t:ApiKeyHashes:0", "h"),
                ("Streaming:DeadlineMargin", "00:00:01"), ("DefaultModel", "m")),
            DeploymentGiven.Settings(
                ("Backends:up:ApiKeys:0", "sk-3"), ("Backends:up:ApiKeys:1", "sk-4"), ("Tenants:t:ApiKeyHashes:0", "h"),
                ("Models:n:Routes:0:Backend", "up"), ("Streaming:DeadlineMargin", "00:00:02"), ("DefaultModel", "n"),
                ("Limits:MaxRequestBytes", "2048")));

        changes.ShouldBe(
        [
            "Backends:old removed", "Backends:up changed", "DefaultModel changed", "Limits added", "Models:n added",
            "Streaming changed",
        ]);
    }
}
