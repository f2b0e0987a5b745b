using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace GrpcLlm.Client.Tests;

/// <summary>A real Kestrel on a free port with a scripted service: resets, trailers and flow control are real.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private TestServer(WebApplication app, ScriptedService service, ScriptedHealth health)
    {
        _app = app;
        Service = service;
        Health = health;
        Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
    }

    public ScriptedService Service { get; }

    public ScriptedHealth Health { get; }

    public Uri Address { get; }

    /// <summary>What came as <c>authorization</c>, call by call; empty where nothing did.</summary>
    public ConcurrentQueue<string> Authorizations { get; } = new();

    /// <summary>Starts a server.</summary>
    /// <param name="port">Where it listens; 0: on any free port.</param>
    /// <param name="configure">Changes the endpoint, to TLS for one.</param>
    /// <param name="streamsPerConnection">Most streams on one connection.</param>
    public static async Task<TestServer> StartAsync(
        int port = 0, Action<ListenOptions>? configure = null, int streamsPerConnection = 1000)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.Http2.MaxStreamsPerConnection = streamsPerConnection;
            kestrel.Listen(System.Net.IPAddress.Loopback, port, endpoint =>
            {
                endpoint.Protocols = HttpProtocols.Http2;
                configure?.Invoke(endpoint);
            });
        });
        var service = new ScriptedService();
        var health = new ScriptedHealth();
        builder.Services.AddSingleton(service).AddSingleton(health).AddGrpc();

        var app = builder.Build();
        TestServer? server = null;
        app.Use((context, next) =>
        {
            server!.Authorizations.Enqueue(context.Request.Headers.Authorization.ToString());
            return next(context);
        });
        app.MapGrpcService<ScriptedService>();
        app.MapGrpcService<ScriptedHealth>();
        await app.StartAsync(TestContext.Current.CancellationToken);
        server = new TestServer(app, service, health);
        return server;
    }

    public GrpcLlmClient CreateClient() => new(Address);

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
