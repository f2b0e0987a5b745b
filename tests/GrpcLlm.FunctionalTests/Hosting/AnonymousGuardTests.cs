using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace GrpcLlm.FunctionalTests.Hosting;

/// <summary>Without tenants, gRPC is not served to other machines, however the endpoint is configured.</summary>
public sealed class AnonymousGuardTests
{
    private const string Tenant = "GrpcLlm:Tenants:t:CertificateSubjects:0=CN=t";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Kestrel:Endpoints:Grpc:Url=http://0.0.0.0:0")]
    [InlineData("Kestrel:Endpoints:Grpc:Url=http://[::]:0")]
    [InlineData("Kestrel:Endpoints:Grpc:Url=http://*:0")]
    [InlineData("Kestrel:Endpoints:Grpc:Url=http://some-name:0")]
    [InlineData("Kestrel:Endpoints:Ops:Url=http://0.0.0.0:0", "Kestrel:Endpoints:Ops:Protocols=Http1AndHttp2")]
    [InlineData("Kestrel:Endpoints:Zebra:Url=http://0.0.0.0:0", "Kestrel:Endpoints:Zebra:Protocols=Http2")]
    public async Task RemoteEndpoint_WithoutTenants_RefusesTheStartBeforeAnythingIsBound(params string[] settings)
    {
        await using var app = Build(settings);

        var refusal = await Should.ThrowAsync<OptionsValidationException>(() => app.StartAsync(Cancelled));

        refusal.Failures.ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            text => text.ShouldStartWith("http://"),
            text => text.ShouldContain("configure GrpcLlm:Tenants, or set GrpcLlm:AllowAnonymousRemote=true"));
        app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("Kestrel:Endpoints:Grpc:Url=http://0.0.0.0:0", Tenant)]
    [InlineData("Kestrel:Endpoints:Grpc:Url=http://0.0.0.0:0", "GrpcLlm:AllowAnonymousRemote=true")]
    [InlineData("Kestrel:Endpoints:Ops:Url=http://0.0.0.0:0")]
    [InlineData("Kestrel:Endpoints:Grpc:Url=http://127.0.0.5:0")]
    public async Task EndpointThatIsLocalOrGuardedOrNotForGrpc_Starts(params string[] settings)
    {
        await using var app = Build(settings);

        await app.StartAsync(Cancelled);

        app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Count.ShouldBe(2);
    }

    [Fact]
    public async Task UnixSocket_WithoutTenants_Starts()
    {
        var directory = Directory.CreateTempSubdirectory("grpcllm-socket-");
        await using (var app = Build($"Kestrel:Endpoints:Grpc:Url=http://unix:{directory.FullName}/s"))
        {
            await app.StartAsync(Cancelled);
            File.Exists($"{directory.FullName}/s").ShouldBeTrue();
        }

        directory.Delete(recursive: true);
    }

    [Theory]
    [InlineData("urls", "http://0.0.0.0:0")]
    [InlineData("urls", "http://127.0.0.1:0;http://+:0")]
    [InlineData("http_ports", "0")]
    public async Task AddressesOfTheHost_AreWatchedToo(string key, string value)
    {
        await using var app = Build(builder =>
        {
            // As an operator who ships settings without endpoints; ASPNETCORE_URLS and --urls end in the same place.
            var shipped = builder.Configuration.GetSection("GrpcLlm").AsEnumerable().ToList();
            ((IConfigurationBuilder)builder.Configuration).Sources.Clear();
            builder.Configuration.AddInMemoryCollection(shipped);
            builder.WebHost.UseSetting(key, value);
        });

        await Should.ThrowAsync<OptionsValidationException>(() => app.StartAsync(Cancelled));
    }

    [Fact]
    public async Task RemoteEndpointAddedByAReload_WithoutTenants_IsNotBound()
    {
        const string none = "{}";
        const string remote = """{ "Kestrel": { "Endpoints": { "Zebra": { "Url": "http://0.0.0.0:0", "Protocols": "Http2" } } } }""";
        const string local = """{ "Kestrel": { "Endpoints": { "Zebra": { "Url": "http://127.0.0.1:0", "Protocols": "Http2" } } } }""";
        using var file = new SettingsFile(none);
        await using var server = await LlmServer.StartAsync(
            null, builder => builder.Configuration.AddJsonFile(file.Path, optional: false, reloadOnChange: true));
        var addresses = server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;

        file.Write(remote);
        await Eventually.IsAsync(() => server.Logs.Lines.Any(static line =>
            line.Contains("with no tenants configured anybody there could call", StringComparison.Ordinal)));
        addresses.Count.ShouldBe(2);
        file.Write(local);
        await Eventually.IsAsync(() => addresses.Count == 3);

        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        (await (await connection.CallAsync(Paths.ListModels, [])).Trailers).ShouldContain(("grpc-status", "0"));
    }

    private static WebApplication Build(params string[] settings) => Build(static _ => { }, settings);

    private static WebApplication Build(Action<WebApplicationBuilder> configure, params string[] settings) => ServerHost.Build(
        [
            "--Kestrel:Endpoints:Grpc:Url=http://127.0.0.1:0", "--Kestrel:Endpoints:Ops:Url=http://127.0.0.1:0",
            "--GrpcLlm:DefaultModel=simulator",
            .. settings.Select(static setting => "--" + setting),
        ],
        builder =>
        {
            builder.Logging.ClearProviders();
            configure(builder);
        });
}
