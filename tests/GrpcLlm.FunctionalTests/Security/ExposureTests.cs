using System.Text.Json;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Reflection.V1;
using GrpcLlm.FunctionalTests.Admission;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.Server.Hosting;
using GrpcLlm.V1;
using Microsoft.Extensions.Configuration;

namespace GrpcLlm.FunctionalTests.Security;

/// <summary>What is open to whom without any setting, and what a stranger can put into logs.</summary>
public sealed class ExposureTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public void ShippedSettings_ListenOnThisMachineAloneAndOpenNothing()
    {
        using var settings = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "appsettings.json")));

        settings.RootElement.GetProperty("Kestrel").GetProperty("Endpoints").EnumerateObject()
            .Select(static endpoint => new Uri(endpoint.Value.GetProperty("Url").GetString()!))
            .ShouldAllBe(static url => url.IsLoopback);
        settings.RootElement.GetProperty("GrpcLlm").GetProperty("Backends").EnumerateObject()
            .Select(static backend => backend.Value.GetProperty("Kind").GetString()).ShouldBe(["embedded", "simulator"]);
        var options = GrpcLlmOptions.Bind(
            new ConfigurationBuilder().AddJsonFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json")).Build());
        options.AllowAnonymousRemote.ShouldBeFalse();
        options.Telemetry.LogContent.ShouldBeFalse();
    }

    /// <summary>Probes and tools ask without a key: they learn whether it serves, and the public contract.</summary>
    [Fact]
    public async Task HealthAndReflection_NeedNoKey_AndTellNothingOfTenants()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("a"), TenantSettings.Of("tenant-7343", "key"));

        var health = await new Health.HealthClient(server.Channel).CheckAsync(new HealthCheckRequest(), cancellationToken: Cancelled);
        using var reflection = new ServerReflection.ServerReflectionClient(server.Channel).ServerReflectionInfo(cancellationToken: Cancelled);
        await reflection.RequestStream.WriteAsync(new ServerReflectionRequest { ListServices = "" }, Cancelled);
        (await reflection.ResponseStream.MoveNext(Cancelled)).ShouldBeTrue();

        health.Status.ShouldBe(HealthCheckResponse.Types.ServingStatus.Serving);
        reflection.ResponseStream.Current.ToString().ShouldNotContain("tenant-7343");
        (await Should.ThrowAsync<RpcException>(async () => await server.Client.ListModelsAsync(new ListModelsRequest(), cancellationToken: Cancelled)))
            .StatusCode.ShouldBe(StatusCode.Unauthenticated);
    }

    /// <summary>Whoever reaches the ops endpoint learns from the probes whether it serves, no more.</summary>
    [Fact]
    public async Task OpsProbes_TellNothingOfModelsTenantsOrBackends()
    {
        await using var server = await LlmServer.StartAsync(TenantSettings.Of("tenant-7343", "key"));
        using var http = new HttpClient();

        foreach (var probe in new[] { "/healthz", "/readyz" })
            (await http.GetStringAsync(new Uri(server.OpsAddress, probe), Cancelled)).ShouldBeOneOf("ok\n", "ready\n");
    }

    /// <summary>Log injection: no text of a stranger begins a line of the log, nor moves a terminal.</summary>
    [Theory]
    [InlineData("model")]
    [InlineData("request id")]
    [InlineData("label")]
    [InlineData("end user")]
    [InlineData("key")]
    public async Task HostileText_LeavesEveryLogLineWhole(string where)
    {
        const string hostile = "x\r\nforged-7343 \u001b[2J";
        await using var server = await LlmServer.StartAsync(
            ScriptedBackend.Text("a"), where == "key" ? TenantSettings.Of("a", "key") : []);
        var request = new GenerateRequest { Prompt = "p" };
        if (where == "model") request.Model = hostile;
        if (where == "request id") request.RequestId = hostile;
        if (where == "label") request.Labels["k"] = hostile;
        if (where == "end user") request.EndUserId = hostile;

        await RawCall.OfAsync(
            server, RawHttp2Connection.Message(request.ToByteArray()), ("authorization", "Bearer forged-7343\u001b[2J"));
        await server.Logs.NextUsageAsync();

        server.Logs.Lines.ShouldAllBe(static line => !line.Contains('\u001b') && !line.Contains("\nforged-7343"));
    }
}
