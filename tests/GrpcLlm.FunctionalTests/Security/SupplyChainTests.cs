using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace GrpcLlm.FunctionalTests.Security;

/// <summary>What the project takes in from elsewhere, as its files say.</summary>
public sealed class SupplyChainTests
{
    private static readonly Regex Exact = new(
        "^[0-9]+(\\.[0-9]+){1,3}(-[0-9A-Za-z.-]+)?$|^\\[[0-9][0-9A-Za-z.-]*\\]$", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture);

    [Fact]
    public void Packages_HaveOneExactVersionEach()
    {
        var versions = XDocument.Load(Repository.PathOf("Directory.Packages.props")).Descendants("PackageVersion").ToList();
        versions.ShouldNotBeEmpty();
        versions.ShouldAllBe(static one => Exact.IsMatch(one.Attribute("Version")!.Value));
        versions.Select(static one => one.Attribute("Include")!.Value).ShouldBeUnique();

        foreach (var project in Projects())
        {
            XDocument.Load(project).Descendants("PackageReference")
                .Where(static reference => reference.Attribute("Version") is not null || reference.Attribute("VersionOverride") is not null)
                .ShouldBeEmpty(project);
        }
    }

    [Fact]
    public void StandIns_AreNeverPacked()
    {
        var shared = XDocument.Load(Repository.PathOf("standins", "StandIn.props"));
        shared.Descendants("IsPackable").ShouldHaveSingleItem().Value.ShouldBe("false");

        var standIns = Projects().Where(static project => project.StartsWith(Repository.PathOf("standins"), StringComparison.Ordinal)).ToList();
        standIns.Count.ShouldBe(2);
        foreach (var project in standIns)
        {
            var root = XDocument.Load(project).Root!;
            root.Descendants("IsPackable").ShouldBeEmpty(project);
            root.Descendants("Import").ShouldContain(static import => import.Attribute("Project")!.Value.EndsWith("StandIn.props"), project);
        }
    }

    /// <summary>The runtime's own libraries aside, which .NET brings.</summary>
    [Fact]
    public void Server_ShipsNoNativeLibraryOfAPackage()
    {
        using var file = File.OpenRead(Path.Combine(AppContext.BaseDirectory, "GrpcLlm.Server.deps.json"));
        using var described = System.Text.Json.JsonDocument.Parse(file);

        var native = described.RootElement.GetProperty("targets").EnumerateObject()
            .SelectMany(static target => target.Value.EnumerateObject())
            .Where(static library => library.Value.TryGetProperty("native", out _)
                || (library.Value.TryGetProperty("runtimeTargets", out var targets)
                    && targets.EnumerateObject().Any(static one => one.Value.GetProperty("assetType").GetString() == "native")))
            .Select(static library => library.Name);

        native.ShouldBeEmpty();
    }

    private static IEnumerable<string> Projects() => new[] { "src", "standins", "tests", "samples", "loadtest" }
        .SelectMany(static folder => Directory.EnumerateFiles(Repository.PathOf(folder), "*.csproj", SearchOption.AllDirectories));
}
