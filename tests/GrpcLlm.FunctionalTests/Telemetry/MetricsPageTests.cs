using System.Net;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Telemetry;

/// <summary>The page that Prometheus scrapes. That Prometheus accepts it, <c>.ci/prometheus</c> shows.</summary>
public sealed partial class MetricsPageTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Page_HoldsAllMetricsOfACall()
    {
        await using var server = await LlmServer.StartAsync();
        (await Answer.OfAsync(server, new GenerateRequest
        {
            Model = "embedded", Prompt = "Once", Limits = new GenerationLimits { MinOutputTokens = 4, MaxOutputTokens = 4 },
        })).Finish.Usage.OutputTokens.ShouldBe(4u);
        await Answer.OfAsync(server, new GenerateRequest { Model = "none", Prompt = "p" });
        await Eventually.IsAsync(() => server.Metrics.AllFinished == 2);

        var text = await ScrapeAsync(server);

        TypeLine().Matches(text).Select(static match => match.Groups["line"].Value)
            .Where(static line => line.StartsWith("gen_ai", StringComparison.Ordinal) || line.StartsWith("grpcllm", StringComparison.Ordinal))
            .ShouldBe(
            [
                "gen_ai_server_request_duration_seconds histogram", "gen_ai_server_time_to_first_token_seconds histogram",
                "gen_ai_server_time_per_output_token_seconds histogram", "gen_ai_client_operation_duration_seconds histogram",
                "gen_ai_client_operation_time_to_first_chunk_seconds histogram",
                "gen_ai_client_operation_time_per_output_chunk_seconds histogram", "gen_ai_client_token_usage histogram",
                "grpcllm_streams_active gauge", "grpcllm_streams_finished_total counter", "grpcllm_streams_rejected_total counter",
                "grpcllm_stream_client_stall_seconds histogram", "grpcllm_overhead_seconds histogram", "grpcllm_tokens_total counter",
                "grpcllm_upstream_attempts_total counter", "grpcllm_upstream_breaker_state gauge", "grpcllm_upstream_key_state gauge",
                "grpcllm_admission_queue_length gauge", "grpcllm_admission_queue_limit gauge", "grpcllm_admission_running gauge",
            ],
            ignoreOrder: true);
        Sample(text, "grpcllm_streams_finished_total", "fault=\"none\",reason=\"length\"").ShouldBe("1");
        Sample(text, "grpcllm_streams_finished_total", "fault=\"client\",reason=\"model_not_found\"").ShouldBe("1");
        Sample(text, "grpcllm_streams_rejected_total", "reason=\"model_not_found\"").ShouldBe("1");
        Sample(text, "grpcllm_tokens_total", "gen_ai_request_model=\"embedded\",gen_ai_token_type=\"output\",source=\"counted\"").ShouldBe("4");
        Sample(text, "grpcllm_upstream_breaker_state", "backend=\"embedded\",key=\"\",state=\"closed\"").ShouldBe("1");
        text.ShouldContain("target_info{");
        text.ShouldContain("dotnet_gc_collections_total{");
        text.ShouldContain("http_server_request_duration_seconds_bucket{");
    }

    [Fact]
    public async Task Page_IsInTheFormatThatIsAskedFor()
    {
        await using var server = await LlmServer.StartAsync();
        using var http = new HttpClient();
        var url = new Uri(server.OpsAddress, "/metrics");

        using var plain = await http.GetAsync(url, Cancelled);
        plain.Content.Headers.ContentType!.ToString().ShouldBe("text/plain; version=0.0.4; charset=utf-8");
        (await plain.Content.ReadAsStringAsync(Cancelled)).ShouldEndWith("\n");

        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.Accept.Add(MediaTypeWithQualityHeaderValue.Parse("application/openmetrics-text; version=1.0.0"));
        using var open = await http.SendAsync(request, Cancelled);
        open.Content.Headers.ContentType!.ToString().ShouldBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
        (await open.Content.ReadAsStringAsync(Cancelled)).ShouldEndWith("# EOF\n");
    }

    [Fact]
    public async Task Page_IsNotServedWhereGrpcIs()
    {
        await using var server = await LlmServer.StartAsync();
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Address, "/metrics"))
        {
            Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };

        using var response = await http.SendAsync(request, Cancelled);

        response.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task SdkDisabled_ThereIsNothing_AndCallsAreServed()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("ok"), "OTEL_SDK_DISABLED=true");
        using var http = new HttpClient();

        using var response = await http.GetAsync(new Uri(server.OpsAddress, "/metrics"), Cancelled);

        response.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        (await Answer.OfAsync(server, new GenerateRequest { Prompt = "p" })).Text.ShouldBe("ok");
    }

    [Fact]
    public async Task ServersOfOneProcess_TellTheirOwn()
    {
        await using var one = await LlmServer.StartAsync(ScriptedBackend.Text("ok"));
        await using var other = await LlmServer.StartAsync(ScriptedBackend.Text("ok"));
        await Answer.OfAsync(one, new GenerateRequest { Prompt = "p" });
        await Eventually.IsAsync(() => one.Metrics.AllFinished == 1);

        (await ScrapeAsync(one)).ShouldContain("grpcllm_streams_finished_total{");
        (await ScrapeAsync(other)).ShouldNotContain("grpcllm_streams_finished_total{");
    }

    /// <summary>What a server's page says now.</summary>
    internal static async Task<string> ScrapeAsync(LlmServer server)
    {
        using var http = new HttpClient();
        return await http.GetStringAsync(new Uri(server.OpsAddress, "/metrics"), Cancelled);
    }

    private static string Sample(string text, string name, string labels)
    {
        var line = text.Split('\n').Single(
            line => line.StartsWith(name + '{', StringComparison.Ordinal) && line.Contains($",{labels}}} ", StringComparison.Ordinal));
        return line[(line.LastIndexOf(' ') + 1)..];
    }

    [GeneratedRegex("^# TYPE (?<line>.*)$", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex TypeLine();
}
