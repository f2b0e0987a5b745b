using System.Collections.ObjectModel;
using GrpcLlm.Server.Backends.Simulator;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Routing;

public sealed class ModelCatalogTests
{
    private static readonly ModelCatalog Catalog = new(
    [
        new ServedModel("b:1", ["latest", "B"], [Lanes.Route(new FakeBackend("x"), "up")]),
        new ServedModel("a", [], [Lanes.Route(new FakeBackend("x"), "a")]),
    ],
    "latest");

    [Theory]
    [InlineData("a", "a")]
    [InlineData("b:1", "b:1")]
    [InlineData("B", "b:1")]
    [InlineData("latest", "b:1")]
    [InlineData("", "b:1")]
    public void Find_NameAliasOrNothing_GivesTheModel(string name, string model) => Catalog.Find(name).Name.ShouldBe(model);

    [Theory]
    [InlineData("A")]
    [InlineData("b:1 ")]
    [InlineData("nothing")]
    public void Find_Other_IsNotFoundByThatName(string name)
    {
        var failure = Should.Throw<CallFailureException>(() => Catalog.Find(name));

        failure.Reason.ShouldBe(ErrorReason.ModelNotFound);
        failure.ResourceName.ShouldBe(name);
    }

    [Fact]
    public void IsDefault_OfTheModelThatAnAliasNames() =>
        Catalog.Models.Select(model => (model.Name, Catalog.IsDefault(model))).ShouldBe([("a", false), ("b:1", true)]);

    [Fact]
    public void RoutesFor_UnableRoutes_AreSkipped()
    {
        var able = Lanes.Route(new FakeBackend("able"));
        var model = Model(Unable("one", "tools"), able, Unable("two", "seed"), able);

        ModelCatalog.RoutesFor(model, new GenerateRequest(), NoMetadata).ShouldBe([able, able]);
    }

    [Fact]
    public void RoutesFor_NoneAble_TellsWhatTheFirstCannot()
    {
        var model = Model(Unable("one", "tools", "reasoning"), Unable("two", "seed"));

        var failure = Should.Throw<CallFailureException>(() => ModelCatalog.RoutesFor(model, new GenerateRequest(), NoMetadata));

        failure.Reason.ShouldBe(ErrorReason.InvalidRequest);
        failure.Violations.Select(static one => one.Field).ShouldBe(["tools", "reasoning"]);
        failure.Violations.First().Description.ShouldBe("is not served by one");
    }

    [Fact]
    public void RoutesFor_MetadataThatOneRouteDoesNotHonour_RefusesTheCall()
    {
        var model = Model(
            Lanes.Route(new FakeBackend("able")), Lanes.Route(new SimulatorBackend("sim", new SimulatorOptions(), new FakeTimeProvider())));
        var metadata = new Dictionary<string, string> { ["simulate-itl-ms"] = "1" };

        var failure = Should.Throw<CallFailureException>(() => ModelCatalog.RoutesFor(model, new GenerateRequest(), metadata));

        failure.Reason.ShouldBe(ErrorReason.InvalidRequest);
        failure.Violations.Select(static one => one.Field).ShouldBe(["metadata[simulate-itl-ms]"]);
    }

    [Fact]
    public void RoutesFor_MetadataThatIsNobodys_Serves()
    {
        var able = Lanes.Route(new FakeBackend("able"));

        ModelCatalog.RoutesFor(Model(able), new GenerateRequest(), new Dictionary<string, string> { ["simulate-itl-ms"] = "1" })
            .ShouldBe([able]);
    }

    private static IReadOnlyDictionary<string, string> NoMetadata => ReadOnlyDictionary<string, string>.Empty;

    private static ServedModel Model(params ModelRoute[] routes) => new("m", [], routes);

    private static ModelRoute Unable(string name, params string[] fields) =>
        Lanes.Route(new FakeBackend(name) { Unsupported = fields });
}
