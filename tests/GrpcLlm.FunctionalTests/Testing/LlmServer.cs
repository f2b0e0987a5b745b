using Grpc.Net.Client;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Routing;
using GrpcLlm.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>The real server on real sockets of this machine, on ports that the system chooses.</summary>
internal sealed class LlmServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly GrpcChannel _channel;

    private LlmServer(WebApplication app, CollectedLogs logs, CollectedMetrics metrics)
    {
        _app = app;
        Logs = logs;
        Metrics = metrics;
        var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.ToList();
        Address = new Uri(addresses[0]);
        OpsAddress = new Uri(addresses[1]);
        _channel = GrpcChannel.ForAddress(Address, new GrpcChannelOptions
        {
            HttpHandler = new SocketsHttpHandler { EnableMultipleHttp2Connections = true },
            DisposeHttpClient = true,
            MaxReceiveMessageSize = null,
        });
        Client = new GenerationService.GenerationServiceClient(_channel);
    }

    /// <summary>Where gRPC is served.</summary>
    public Uri Address { get; }

    /// <summary>Where the ops pages are served.</summary>
    public Uri OpsAddress { get; }

    /// <summary>A generated stub.</summary>
    public GenerationService.GenerationServiceClient Client { get; }

    /// <summary>A channel to the server.</summary>
    public GrpcChannel Channel => _channel;

    /// <summary>What the server logged.</summary>
    public CollectedLogs Logs { get; }

    /// <summary>What the server measured.</summary>
    public CollectedMetrics Metrics { get; }

    /// <summary>The server's own services.</summary>
    public IServiceProvider Services => _app.Services;

    /// <summary>Starts a server with the shipped settings.</summary>
    /// <param name="settings">Further settings, in the form <c>Key:Sub=value</c>.</param>
    public static Task<LlmServer> StartAsync(params string[] settings) => StartAsync(null, settings);

    /// <summary>Starts a server with one model, <c>scripted</c>, in place of the shipped ones.</summary>
    public static Task<LlmServer> StartAsync(ScriptedBackend? backend, params string[] settings) =>
        StartAsync(backend, static _ => { }, settings);

    /// <summary>Starts a server that a test changes itself.</summary>
    /// <param name="backend">Serves the only model, <c>scripted</c>; null: the models of the settings.</param>
    /// <param name="configure">Last changes.</param>
    /// <param name="settings">Further settings, in the form <c>Key:Sub=value</c>.</param>
    public static async Task<LlmServer> StartAsync(
        ScriptedBackend? backend, Action<WebApplicationBuilder> configure, params string[] settings)
    {
        var logs = new CollectedLogs();
        CollectedMetrics? metrics = null;
        string[] args =
        [
            // One attempt, so that a test sees the one that it scripted; tests of resilience ask for more.
            "--GrpcLlm:Resilience:MaxAttempts=1",
            "--Kestrel:Endpoints:Grpc:Url=http://127.0.0.1:0", "--Kestrel:Endpoints:Ops:Url=http://127.0.0.1:0",
            .. settings.Select(static setting => "--" + setting),
        ];
        var app = ServerHost.Build(args, builder =>
        {
            builder.Logging.ClearProviders().AddProvider(logs);
            configure(builder);
            if (backend is null) return;
            builder.Services.AddSingleton(provider =>
            {
                var settings = SettingsSnapshot.Take(provider.GetRequiredService<IConfiguration>());
                var options = GrpcLlmOptions.Bind(settings.Configuration);
                var time = provider.GetRequiredService<TimeProvider>();
                var pool = new LanePool(backend, options.Resilience, time, NullLogger<LanePool>.Instance);
                var catalog = new ModelCatalog(
                    [new ServedModel("scripted", [], [new ModelRoute(pool, "scripted")])], "scripted");
                return new Deployments(new Deployment(
                    settings, options, new TenantDirectory(options.Tenants, time), catalog, new Dictionary<string, SharedBackend>()));
            });
        });
        metrics = new CollectedMetrics(app.Services);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new LlmServer(app, logs, metrics);
    }

    /// <summary>Stops the server as a signal does: with a drain.</summary>
    public Task StopAsync() => _app.StopAsync(TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        Metrics.Dispose();
        await _app.DisposeAsync();
    }
}
