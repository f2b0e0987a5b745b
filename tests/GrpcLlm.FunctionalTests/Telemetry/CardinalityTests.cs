using Grpc.Core;
using GrpcLlm.FunctionalTests.Admission;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Telemetry;

/// <summary>Whatever callers make up, the number of series stays.</summary>
public sealed class CardinalityTests
{
    private const int Few = 100;

    // Told when the runtime collects, when a connection ends, of the test's own requests in this process, of the scrapes.
    private static readonly string[] NotOfCalls = ["dotnet_", "kestrel_connection_duration", "http_client_", "http_route=\"/metrics\""];

    [Theory]
    [InlineData("models", 10_000)]
    [InlineData("tenants", 10_000)]
    [InlineData("labels", 1_000)]
    public async Task MadeUpNames_AddNoSeries(string what, int many)
    {
        await using var server = await LlmServer.StartAsync(
            ScriptedBackend.Text("ok"), what == "tenants" ? TenantSettings.Of("a", "key-of-a") : []);
        await CallAsync(server, what, 0, Few);
        var before = await SeriesAsync(server);

        await CallAsync(server, what, Few, many);

        (await SeriesAsync(server)).Except(before).ShouldBeEmpty();
    }

    [Fact]
    public async Task MadeUpPathsMethodsAndHosts_AddNoSeries()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("ok"));
        using var http = new HttpClient();
        await AskAsync(http, server, 0, 5);
        var before = await SeriesAsync(server);

        await AskAsync(http, server, 5, 500);

        (await SeriesAsync(server)).Except(before).ShouldBeEmpty();
    }

    private static async Task CallAsync(LlmServer server, string what, int from, int count)
    {
        await Parallel.ForAsync(from, from + count, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = TestContext.Current.CancellationToken }, async (number, _) =>
        {
            var made = $"made-up-{number}";
            var request = new GenerateRequest { Prompt = "p", Model = what == "models" ? made : "", RequestId = made };
            request.Labels[made] = made;
            var headers = what == "tenants" ? TenantSettings.Key(made) : new Metadata { { "user-agent", made }, { "x-tenant", made } };
            using var call = server.Client.Generate(request, headers, cancellationToken: TestContext.Current.CancellationToken);
            await Answer.OfAsync(call);
        });
        await Eventually.IsAsync(() => server.Metrics.AllFinished == from + count);
    }

    private static async Task AskAsync(HttpClient http, LlmServer server, int from, int count)
    {
        for (var number = from; number < from + count; number++)
        {
            using var request = new HttpRequestMessage(new HttpMethod($"MADE{number}"), new Uri(server.OpsAddress, $"/made-up/{number}"));
            request.Headers.Host = $"host-{number}.example";
            using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Names and labels of all samples.</summary>
    private static async Task<IReadOnlySet<string>> SeriesAsync(LlmServer server)
    {
        var series = (await MetricsPageTests.ScrapeAsync(server)).Split('\n')
            .Where(static line => line.Length > 0 && !line.StartsWith('#'))
            .Where(static line => !NotOfCalls.Any(part => line.Contains(part, StringComparison.Ordinal)))
            .Select(static line => line[..line.LastIndexOf(' ')]).ToHashSet(StringComparer.Ordinal);
        series.ShouldAllBe(static one => !one.Contains("made-up") && !one.Contains("host-"));
        return series;
    }
}
