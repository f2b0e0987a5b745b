using System.Net;
using Grpc.AspNetCore.Server;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace GrpcStandIns.Tests.EndToEnd;

/// <summary>The official server on Kestrel (HTTP/2, a free port) and the official client, over a real socket.</summary>
internal sealed class EchoHost : IAsyncDisposable
{
    private readonly WebApplication _app;

    private EchoHost(WebApplication app, GrpcChannel channel)
    {
        _app = app;
        Channel = channel;
        Client = new Echo.EchoClient(channel);
    }

    public GrpcChannel Channel { get; }

    public Echo.EchoClient Client { get; }

    public static Task<EchoHost> StartAsync(
        ScriptedEcho service,
        Action<GrpcServiceOptions>? server = null,
        Action<GrpcChannelOptions>? client = null,
        Action<ListenOptions>? listen = null) => StartAsync(
            app => app.MapGrpcService<ScriptedEcho>(),
            services => services.AddSingleton(service),
            server,
            client,
            listen);

    public static Task<EchoHost> StartAsync(ServerServiceDefinition definition) =>
        StartAsync(app => app.MapGrpcService(definition), _ => { }, server: null, client: null, listen: null);

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        await _app.DisposeAsync();
    }

    private static async Task<EchoHost> StartAsync(
        Action<WebApplication> map,
        Action<IServiceCollection> register,
        Action<GrpcServiceOptions>? server,
        Action<GrpcChannelOptions>? client,
        Action<ListenOptions>? listen)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port: 0, endpoint =>
        {
            endpoint.Protocols = HttpProtocols.Http2;
            listen?.Invoke(endpoint);
        }));
        builder.Services.AddGrpc(options => server?.Invoke(options));
        register(builder.Services);

        var app = builder.Build();
        map(app);
        await app.StartAsync(TestContext.Current.CancellationToken);

        var channelOptions = new GrpcChannelOptions();
        client?.Invoke(channelOptions);
        return new EchoHost(app, GrpcChannel.ForAddress(app.Urls.Single(), channelOptions));
    }
}
