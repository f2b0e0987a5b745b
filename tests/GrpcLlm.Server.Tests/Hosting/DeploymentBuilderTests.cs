using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Tests.Testing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace GrpcLlm.Server.Tests.Hosting;

public sealed class DeploymentBuilderTests
{
    [Fact]
    public void Build_Routes_NameBackendAndItsOwnModel()
    {
        var deployment = Build(
            ("Backends:sim:Kind", "simulator"), ("Models:m:Name", "a:1"), ("Models:m:Routes:0:Backend", "SIM"),
            ("Models:m:Routes:0:Weight", "3"), ("Models:m:Routes:1:Backend", "sim"), ("Models:m:Routes:1:Model", "own"),
            ("Models:m:Routes:1:Weight", "1"), ("DefaultModel", "a:1"));

        var routes = deployment.Catalog.Find("").Routes;
        routes.Select(static route => (route.Backend.Name, route.Backend.Kind, route.Model, route.Weight))
            .ShouldBe([("sim", "simulator", "a:1", 3), ("sim", "simulator", "own", 1)]);
        routes[0].Pool.ShouldBeSameAs(routes[1].Pool);
    }

    [Fact]
    public void Build_WrongBackends_NamesAllAtOnce()
    {
        var exception = Should.Throw<OptionsValidationException>(() => Build(
            ("Backends:a:Kind", "simulater"), ("Backends:b:OutputTokens", "5"), ("Backends:c:Kind", "simulator"),
            ("Backends:c:OutputTokens", "x"), ("Backends:c:Typo", "x"), ("Models:m:Routes:0:Backend", "a"), ("DefaultModel", "m")));

        exception.Failures.Select(static error => error.Split(": ")[0]).ShouldBe(
            ["GrpcLlm:Backends:a:Kind", "GrpcLlm:Backends:b:Kind", "GrpcLlm:Backends:c:OutputTokens", "GrpcLlm:Backends:c:Typo"],
            ignoreOrder: true);
    }

    [Fact]
    public void Build_BackendResilience_OverridesTheCommonOne()
    {
        var deployment = Build(
            ("Resilience:MaxDelay", "00:00:07"), ("Resilience:BaseDelay", "00:00:01"), ("Backends:a:Kind", "simulator"),
            ("Backends:a:Resilience:BaseDelay", "00:00:02"), ("Models:m:Routes:0:Backend", "a"), ("DefaultModel", "m"));

        var options = deployment.Backends["a"].Pool.Options;
        options.BaseDelay.ShouldBe(TimeSpan.FromSeconds(2));
        options.MaxDelay.ShouldBe(TimeSpan.FromSeconds(7));
    }

    [Theory]
    [InlineData("Streaming:DeadlineMargin", "00:00:01", true)]
    [InlineData("Models:m:Aliases:0", "other", true)]
    [InlineData("Backends:sim2:OutputTokens", "5", true)]
    [InlineData("Backends:sim:OutputTokens", "5", false)]
    [InlineData("Backends:sim:Resilience:HedgeAfter", "00:00:01", false)]
    [InlineData("Resilience:BreakerFailureRatio", "0.4", false)]
    public void Build_TakesOverTheBackendsWhoseSettingsStay(string key, string value, bool same)
    {
        var before = DeploymentGiven.Of(("Backends:sim2:Kind", "simulator"));

        var after = DeploymentGiven.After(before, ("Backends:sim2:Kind", "simulator"), (key, value));

        ReferenceEquals(after.Backends["SIM"], before.Backends["sim"]).ShouldBe(same);
    }

    [Fact]
    public void Build_ReadsItsOwnStateOfTheSettings()
    {
        var deployment = DeploymentGiven.Of(("Streaming:DeadlineMargin", "00:00:01"));

        deployment.Options.Streaming.DeadlineMargin.ShouldBe(TimeSpan.FromSeconds(1));
        deployment.Settings.Configuration["GrpcLlm:Backends:sim:Kind"].ShouldBe("simulator");
    }

    private static Deployment Build(params (string Key, string Value)[] values)
    {
        var settings = SettingsSnapshot.Take(new ConfigurationBuilder().AddInMemoryCollection(
            values.Select(static value => KeyValuePair.Create($"GrpcLlm:{value.Key}", (string?)value.Value))).Build());
        var time = new FakeTimeProvider();
        var builder = new DeploymentBuilder(
            new BackendFactory(time, NullLoggerFactory.Instance), time, NullLogger<SharedBackend>.Instance);
        return builder.Build(settings, GrpcLlmOptions.Bind(settings.Configuration), previous: null);
    }
}
