using GrpcLlm.FunctionalTests.Admission;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using Grpc.Core;

namespace GrpcLlm.FunctionalTests.Telemetry;

/// <summary>Whatever callers make up, the number of series stays.</summary>
public sealed class CardinalityTests
{
    private const int Few = 100;
    private const int Many = 10_000;

    [Theory]
    [InlineData("models")]
    [InlineData("tenants")]
    [InlineData("labels")]
    public async Task MadeUpNames_AddNoSeries(string what)
    {
        await using var server = await LlmServer.StartAsync(
            ScriptedBackend.Text("ok"), what == "tenants" ? TenantSettings.Of("a", "key-of-a") : []);
        await CallAsync(server, what, 0, Few);
        var before = await SeriesAsync(server);

        await CallAsync(server, what, Few, Many);

        (await SeriesAsync(server)).ShouldBe(before);
    }

    [Fact]
    public async Task MadeUpPathsMethodsAndHosts_AddNoSeries()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("ok"));
        using var http = new HttpClient();
        await AskAsync(http, server, 0, 5);
        var before = await SeriesAsync(server);

        await AskAsync(http, server, 5, 500);

        (await SeriesAsync(server)).ShouldBe(before);
    }

    private static async Task CallAsync(LlmServer server, string what, int from, int count)
    {
        await Parallel.ForAsync(from, from + count, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = TestContext.Current.CancellationToken }, async (number, _) =>
        {
            var made = $"made-up-{number}";
            var request = new GenerateRequest { Prompt = "p", Model = what == "models" ? made : "", RequestId = made };
            if (what == "labels") request.Labels[made] = made;
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

    /// <summary>Names and labels of all samples, without those that depend on when a connection or a collection happens.</summary>
    private static async Task<IReadOnlyList<string>> SeriesAsync(LlmServer server)
    {
        // The second scrape sees what the first one is, a request.
        await MetricsPageTests.ScrapeAsync(server);
        var text = await MetricsPageTests.ScrapeAsync(server);
        text.ShouldNotContain("made-up");
        text.ShouldNotContain("host-");
        return [.. text.Split('\n')
            .Where(static line => !line.StartsWith('#') && !line.StartsWith("dotnet_", StringComparison.Ordinal) && line.Length > 0)
            .Where(static line => !line.StartsWith("http_client_", StringComparison.Ordinal))
            .Select(static line => line[..line.LastIndexOf(' ')]).Order(StringComparer.Ordinal)];
    }
}
