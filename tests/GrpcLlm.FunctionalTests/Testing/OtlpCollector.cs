using System.Buffers.Binary;
using System.IO.Compression;
using System.Net;
using System.Threading.Channels;
using GrpcLlm.FunctionalTests.Testing.Otlp;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>
/// A collector made for tests: takes OTLP over gRPC and over HTTP on real sockets of this machine and decodes it. Keeps
/// what it got, and hands out the exports as they come.
/// </summary>
internal sealed class OtlpCollector : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Channel<ExportMetricsServiceRequest> _metrics = Channel.CreateUnbounded<ExportMetricsServiceRequest>();
    private readonly Channel<ExportTraceServiceRequest> _traces = Channel.CreateUnbounded<ExportTraceServiceRequest>();

    private OtlpCollector(WebApplication app) => _app = app;

    /// <summary>Where OTLP over gRPC is taken: HTTP/2 without TLS.</summary>
    public Uri GrpcAddress { get; private set; } = null!;

    /// <summary>Where OTLP over HTTP is taken, as protobuf: the base, to which the SDK adds <c>v1/metrics</c>.</summary>
    public Uri HttpAddress { get; private set; } = null!;

    /// <summary>Paths that were posted to, with the content type.</summary>
    public Channel<(string Path, string ContentType)> Requests { get; } = Channel.CreateUnbounded<(string, string)>();

    /// <summary>Starts to listen.</summary>
    public static async Task<OtlpCollector> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();

        // The server's own settings lie beside the tests, and would have its ports opened too.
        builder.Configuration.Sources.Clear();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(static kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, static endpoint => endpoint.Protocols = HttpProtocols.Http2);
            kestrel.Listen(IPAddress.Loopback, 0, static endpoint => endpoint.Protocols = HttpProtocols.Http1);
        });
        var app = builder.Build();
        var collector = new OtlpCollector(app);
        app.MapPost("/v1/metrics", context => collector.HttpAsync(context, collector.TakeMetrics));
        app.MapPost("/v1/traces", context => collector.HttpAsync(context, collector.TakeTraces));
        app.MapPost(
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            context => collector.GrpcAsync(context, collector.TakeMetrics));
        app.MapPost(
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            context => collector.GrpcAsync(context, collector.TakeTraces));
        await app.StartAsync(TestContext.Current.CancellationToken);
        var urls = app.Urls.ToList();
        collector.GrpcAddress = new Uri(urls[0]);
        collector.HttpAddress = new Uri(urls[1]);
        return collector;
    }

    /// <summary>The next export of metrics.</summary>
    public ValueTask<ExportMetricsServiceRequest> NextMetricsAsync() =>
        _metrics.Reader.ReadAsync(TestContext.Current.CancellationToken);

    /// <summary>The next export of spans.</summary>
    public ValueTask<ExportTraceServiceRequest> NextTracesAsync() =>
        _traces.Reader.ReadAsync(TestContext.Current.CancellationToken);

    /// <summary>Exports of spans that were taken and not handed out yet.</summary>
    public int WaitingTraces => _traces.Reader.Count;

    /// <summary>All metrics of exports from now on, until one of that name comes.</summary>
    public async Task<(ResourceMetrics Resource, ScopeMetrics Scope, Metric Metric)> NextMetricAsync(string name)
    {
        while (true)
        {
            foreach (var resource in (await NextMetricsAsync()).ResourceMetrics)
            {
                foreach (var scope in resource.ScopeMetrics)
                {
                    if (scope.Metrics.FirstOrDefault(metric => metric.Name == name) is { } metric) return (resource, scope, metric);
                }
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
    }

    /// <summary>Attributes as a dictionary; numbers as text.</summary>
    public static Dictionary<string, string> Read(IEnumerable<KeyValue> attributes) => attributes.ToDictionary(
        static pair => pair.Key,
        static pair => pair.Value.ValueCase switch
        {
            AnyValue.ValueOneofCase.StringValue => pair.Value.StringValue,
            AnyValue.ValueOneofCase.IntValue => $"{pair.Value.IntValue}",
            AnyValue.ValueOneofCase.DoubleValue => $"{pair.Value.DoubleValue}",
            AnyValue.ValueOneofCase.BoolValue => pair.Value.BoolValue ? "true" : "false",
            AnyValue.ValueOneofCase.ArrayValue => string.Join(',', pair.Value.ArrayValue.Values.Select(static one => one.StringValue)),
            _ => "",
        });

    private void TakeMetrics(byte[] message) => _metrics.Writer.TryWrite(ExportMetricsServiceRequest.Parser.ParseFrom(message));

    private void TakeTraces(byte[] message) => _traces.Writer.TryWrite(ExportTraceServiceRequest.Parser.ParseFrom(message));

    private async Task HttpAsync(HttpContext context, Action<byte[]> take)
    {
        take(await BodyAsync(context));

        // An empty message is the answer of a full success.
        context.Response.ContentType = "application/x-protobuf";
    }

    private async Task GrpcAsync(HttpContext context, Action<byte[]> take)
    {
        // One message: a flag, its length, its bytes.
        var body = await BodyAsync(context);
        body[0].ShouldBe((byte)0, "compressed");
        BinaryPrimitives.ReadInt32BigEndian(body.AsSpan(1)).ShouldBe(body.Length - 5);
        take(body[5..]);
        context.Response.ContentType = "application/grpc";
        context.Response.DeclareTrailer("grpc-status");
        await context.Response.Body.WriteAsync(new byte[5]);
        context.Response.AppendTrailer("grpc-status", "0");
    }

    private async Task<byte[]> BodyAsync(HttpContext context)
    {
        using var buffer = new MemoryStream();
        await using var body = context.Request.Headers.ContentEncoding == "gzip"
            ? new GZipStream(context.Request.Body, CompressionMode.Decompress) : context.Request.Body;
        await body.CopyToAsync(buffer);
        Requests.Writer.TryWrite((context.Request.Path, context.Request.ContentType ?? ""));
        return buffer.ToArray();
    }
}
