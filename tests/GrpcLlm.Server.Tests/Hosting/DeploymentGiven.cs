using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Tests.Testing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;

namespace GrpcLlm.Server.Tests.Hosting;

/// <summary>Deployments made of settings that stand in a test.</summary>
internal static class DeploymentGiven
{
    /// <summary>A deployment of one simulator and further settings, keys below <c>GrpcLlm</c>.</summary>
    public static Deployment Of(params (string Key, string Value)[] values) => After(null, values);

    /// <summary>The deployment that these settings make of the one before.</summary>
    public static Deployment After(Deployment? previous, params (string Key, string Value)[] values)
    {
        var settings = Settings(
        [
            ("DefaultModel", "m"), ("Backends:sim:Kind", "simulator"), ("Models:m:Routes:0:Backend", "sim"), .. values,
        ]);
        return Builder(new FakeTimeProvider()).Build(settings, GrpcLlmOptions.Bind(settings.Configuration), previous);
    }

    /// <summary>The state of these settings alone; of several with one key, the last counts.</summary>
    public static SettingsSnapshot Settings(params (string Key, string Value)[] values) =>
        SettingsSnapshot.Take(new ConfigurationBuilder().AddInMemoryCollection(
            values.GroupBy(static value => value.Key, StringComparer.OrdinalIgnoreCase)
                .Select(static same => KeyValuePair.Create($"GrpcLlm:{same.Key}", (string?)same.Last().Value))).Build());

    private static DeploymentBuilder Builder(FakeTimeProvider time) => new(
        new BackendFactory(time, NullLoggerFactory.Instance), time, NullLogger<SharedBackend>.Instance);
}
