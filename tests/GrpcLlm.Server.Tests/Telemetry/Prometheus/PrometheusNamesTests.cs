using GrpcLlm.Server.Telemetry.Prometheus;

namespace GrpcLlm.Server.Tests.Telemetry.Prometheus;

public sealed class PrometheusNamesTests
{
    [Theory]
    [InlineData("gen_ai.server.time_to_first_token", "s", false, "gen_ai_server_time_to_first_token_seconds")]
    [InlineData("grpcllm.streams.active", "{stream}", true, "grpcllm_streams_active")]
    [InlineData("grpcllm.tokens", "{token}", false, "grpcllm_tokens")]
    [InlineData("duration_seconds", "s", false, "duration_seconds")]
    [InlineData("requests_total", "", false, "requests")]
    [InlineData("cpu.utilization", "1", true, "cpu_utilization_ratio")]
    [InlineData("cpu.count", "1", false, "cpu_count")]
    [InlineData("dotnet.thread_pool.thread.count", "{thread}", true, "dotnet_thread_pool_thread")]
    [InlineData("dotnet.gc.heap.total_allocated", "By", false, "dotnet_gc_heap_total_allocated_bytes")]
    [InlineData("network.io", "By/s", true, "network_io_bytes_per_second")]
    [InlineData("rate", "{request}/s", true, "rate_per_second")]
    [InlineData("odd--name..é", "ms", true, "odd_name_milliseconds")]
    [InlineData("1st", "%", true, "_1st_percent")]
    [InlineData("a:b", "furlong", true, "a:b_furlong")]
    public void Metric_IsNamedBySpecification(string name, string unit, bool isGauge, string expected) =>
        PrometheusNames.OfMetric(name, unit, isGauge).ShouldBe(expected);

    [Theory]
    [InlineData("gen_ai.request.model", "gen_ai_request_model")]
    [InlineData("a:b", "a_b")]
    [InlineData("9", "_9")]
    [InlineData("", "")]
    public void Label_IsCleaned(string name, string expected) => PrometheusNames.OfLabel(name).ShouldBe(expected);
}
