using GrpcLlm.Cli.Bench.Ghz;
using GrpcLlm.Cli.Bench.Profiles;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Client.Tests.Cli.Bench.Profiles;

/// <summary>The profiles under <c>loadtest/ghz</c>, copied beside the tests.</summary>
public sealed class ShippedProfilesTests
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "loadtest", "ghz");

    public static TheoryData<string> Names => [.. Directory.GetFiles(Folder, "*.json").Select(file => Path.GetFileNameWithoutExtension(file)).Order(StringComparer.Ordinal)];

    [Fact]
    public void Folder_HoldsWhatTheReadmeNames() =>
        Names.Select(row => row.Data).ShouldBe(
            ["background", "cancel-storm", "full", "open-loop", "probe", "soak", "tpot", "trace", "ttft"]);

    [Theory]
    [MemberData(nameof(Names))]
    public void Profile_IsReadAndRendered_AndBoundedInTimeOrNumber(string name)
    {
        var profile = Read(name);

        profile.Name.ShouldBe(name);
        profile.Proto.ShouldBe("protos/grpcllm/v1/generation.proto");
        profile.Host.ShouldBe("127.0.0.1:50051");
        (profile.Duration ?? profile.MaxDuration).ShouldNotBeNull().ShouldBeLessThanOrEqualTo(TimeSpan.FromMinutes(10));
        profile.Timeout.ShouldNotBeNull().ShouldBeInRange(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1));
        if (profile.Duration is not null) profile.DurationStop.ShouldBe(GhzDurationStop.Wait);
        if (profile.Rps is not null) profile.Async.ShouldBeTrue();

        var call = CallTemplates.Of(profile, seed: 1, new FakeTimeProvider()).Render(1, "g0c0");
        call.Request.Model.ShouldBe("simulator");
        call.Request.Limits.MaxOutputTokens.ShouldBeGreaterThan(0u);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Profile_ThatCutsItsCalls_CountsThem_AndSaysWhereInATag(string name)
    {
        var profile = Read(name);

        profile.CountErrors.ShouldBe(profile.StreamCallCount is not null);
        profile.Tags.GetValueOrDefault(GhzRun.CutTag).ShouldBe(profile.StreamCallCount?.ToString());
    }

    [Fact]
    public void ProfilesThatAreSubtracted_DifferInTheirCutAlone()
    {
        var (first, later, full) = (Read("ttft"), Read("tpot"), Read("full"));

        foreach (var other in new[] { later, full })
        {
            other.Data!.Value.GetRawText().ShouldBe(first.Data!.Value.GetRawText());
            (other.Concurrency, other.Connections, other.Rps).ShouldBe((first.Concurrency, first.Connections, first.Rps));
        }

        first.StreamCallCount.ShouldBe(1);
        later.StreamCallCount.ShouldNotBeNull().ShouldBeInRange(2, 63);
        full.StreamCallCount.ShouldBeNull();
    }

    private static GhzProfile Read(string name) => GhzProfileReader.Read(Path.Combine(Folder, name + ".json"));
}
