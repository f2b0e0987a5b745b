using GrpcLlm.Server.Hosting;
using Microsoft.Extensions.Configuration;

namespace GrpcLlm.Server.Tests.Hosting;

public sealed class SettingsSnapshotTests
{
    [Theory]
    [InlineData("a=1", "b", "a", "1=b")]
    [InlineData("a", "1\nGRPCLLM:X:B=1:2", "a", "1")]
    public void TextOf_DifferentSettings_IsNeverTheSame(string key, string value, string otherKey, string otherValue) =>
        DeploymentGiven.Settings(($"X:{key}", value)).TextOf("GrpcLlm:X")
            .ShouldNotBe(DeploymentGiven.Settings(($"X:{otherKey}", otherValue)).TextOf("GrpcLlm:X"));

    [Fact]
    public void TextOf_KnowsItsSectionFromOthersThatBeginAlike() =>
        DeploymentGiven.Settings(("Backends:up:Kind", "a"), ("Backends:upper:Kind", "b")).TextOf("GrpcLlm:Backends:up")
            .ShouldBe(DeploymentGiven.Settings(("Backends:UP:kind", "a"), ("Backends:upper:Kind", "c")).TextOf("GrpcLlm:Backends:up"));

    [Fact]
    public async Task Take_WhileASourceReloads_IsOneStateOrTheOther()
    {
        var source = new SwappedSource();
        var configuration = new ConfigurationBuilder().Add(source).Build();
        for (var round = 1; round <= 500; round++)
        {
            var state = round;
            var swap = Task.Run(() => source.Swap(state), TestContext.Current.CancellationToken);

            var taken = SettingsSnapshot.Take(configuration);
            await swap;

            taken.Configuration.GetSection("GrpcLlm:X").GetChildren().Select(static child => child.Value).Distinct(StringComparer.Ordinal)
                .Count().ShouldBe(1);
        }
    }

    [Fact]
    public void Take_LaterChanges_AreNotSeen()
    {
        var source = new SwappedSource();
        var configuration = new ConfigurationBuilder().Add(source).Build();

        var taken = SettingsSnapshot.Take(configuration);
        source.Swap(1);

        taken.Configuration["GrpcLlm:X:0"].ShouldBe("0");
        configuration["GrpcLlm:X:0"].ShouldBe("1");
    }

    /// <summary>Many keys that have one value, all exchanged at once, as a file's are.</summary>
    private sealed class SwappedSource : ConfigurationProvider, IConfigurationSource
    {
        public SwappedSource() => Swap(0);

        public void Swap(int state) => Data = Enumerable.Range(0, 100).ToDictionary(
            static key => $"GrpcLlm:X:{key}", _ => (string?)$"{state}", StringComparer.OrdinalIgnoreCase);

        public IConfigurationProvider Build(IConfigurationBuilder builder) => this;
    }
}
