using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Tests.Testing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace GrpcLlm.Server.Tests.Hosting;

public sealed class ModelCatalogBuilderTests
{
    [Fact]
    public async Task Build_Routes_NameBackendAndItsOwnModel()
    {
        await using var factory = Factory();

        var catalog = ModelCatalogBuilder.Build(
            Options(
                ("Backends:sim:Kind", "simulator"), ("Models:m:Name", "a:1"), ("Models:m:Routes:0:Backend", "SIM"),
                ("Models:m:Routes:1:Backend", "sim"), ("Models:m:Routes:1:Model", "own"), ("DefaultModel", "a:1")),
            factory);

        catalog.Find("").Routes.Select(static route => (route.Backend.Name, route.Backend.Kind, route.Model))
            .ShouldBe([("sim", "simulator", "a:1"), ("sim", "simulator", "own")]);
    }

    [Fact]
    public async Task Build_WrongBackends_NamesAllAtOnce()
    {
        await using var factory = Factory();

        var exception = Should.Throw<OptionsValidationException>(() => ModelCatalogBuilder.Build(
            Options(
                ("Backends:a:Kind", "simulater"), ("Backends:b:OutputTokens", "5"), ("Backends:c:Kind", "simulator"),
                ("Backends:c:OutputTokens", "x"), ("Backends:c:Typo", "x"), ("Models:m:Routes:0:Backend", "a"), ("DefaultModel", "m")),
            factory));

        exception.Failures.Select(static error => error.Split(": ")[0]).ShouldBe(
            ["GrpcLlm:Backends:a:Kind", "GrpcLlm:Backends:b:Kind", "GrpcLlm:Backends:c:OutputTokens", "GrpcLlm:Backends:c:Typo"],
            ignoreOrder: true);
    }

    private static BackendFactory Factory() => new(new FakeTimeProvider(), NullLoggerFactory.Instance);

    private static GrpcLlmOptions Options(params (string Key, string Value)[] values) =>
        GrpcLlmOptions.Bind(new ConfigurationBuilder().AddInMemoryCollection(
            values.Select(static value => KeyValuePair.Create($"GrpcLlm:{value.Key}", (string?)value.Value))).Build());
}
