using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using RpcStatus = Google.Rpc.Status;

namespace GrpcLlm.FunctionalTests.Admission;

/// <summary>Who may call, and what belongs to whom.</summary>
public sealed class AuthenticationTests
{
    private const string Secret = "key-of-a-5081";

    private static readonly string[] TwoTenants = [.. TenantSettings.Of("a", Secret), .. TenantSettings.Of("b", "key-of-b")];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Bearer")]
    [InlineData("bearer")]
    public async Task Key_OfATenant_IsServedAndRecorded(string scheme)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("ok"), TwoTenants);

        var answer = await CallAsync(server, new Metadata { { "authorization", $"{scheme} {Secret}" } });

        answer.Text.ShouldBe("ok");
        (await server.Logs.NextUsageAsync()).GetProperty("tenant").GetString().ShouldBe("a");
    }

    [Theory]
    [InlineData(null, "Credentials are missing")]
    [InlineData("Basic " + Secret, "The authorization scheme")]
    [InlineData(Secret, "The authorization scheme")]
    [InlineData("", "The authorization scheme")]
    [InlineData("Bearer", "The key must have")]
    [InlineData("Bearer " + Secret + " x", "The key must have")]
    [InlineData("Bearer " + Secret + ", Bearer " + Secret, "The key must have")]
    [InlineData("Bearer unknown-7343", "The key belongs to no tenant.")]
    public async Task Credentials_WrongInAnyWay_AreUnauthenticated(string? header, string message)
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("ok"), TwoTenants);

        var answer = await CallAsync(server, header is null ? [] : new Metadata { { "authorization", header } });

        answer.Chunks.ShouldBeEmpty();
        answer.Status.StatusCode.ShouldBe(StatusCode.Unauthenticated);
        answer.Status.Detail.ShouldStartWith(message);
        answer.Reason.ShouldBe("UNAUTHENTICATED");
        answer.ErrorMetadata["retry_safe"].ShouldBe("false");
        answer.Trailer("grpc-retry-pushback-ms").ShouldBe("-1");
        (await server.Logs.NextUsageAsync()).GetProperty("error_reason").GetString().ShouldBe("UNAUTHENTICATED");
        server.Logs.Lines.ShouldAllBe(line => !line.Contains(Secret) && !line.Contains("unknown-7343"));
    }

    [Fact]
    public async Task HeaderTwice_IsUnauthenticated()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("ok"), TwoTenants);

        var (code, error) = await RawAsync(
            server, Paths.Generate, ("authorization", "Bearer " + Secret), ("authorization", "Bearer " + Secret));

        code.ShouldBe("16");
        error.Message.ShouldBe("There must be one authorization header.");
    }

    [Fact]
    public async Task KeyInTheQuery_IsNotLookedAt()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("ok"), TwoTenants);

        var (code, error) = await RawAsync(server, $"{Paths.Generate}?key={Secret}&authorization=Bearer%20{Secret}");

        code.ShouldBe("16");
        error.Details[0].Unpack<ErrorInfo>().Reason.ShouldBe("UNAUTHENTICATED");
        server.Logs.Lines.ShouldAllBe(line => !line.Contains(Secret));
    }

    [Fact]
    public async Task UnaryMethods_AskForCredentialsToo()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Text("ok"), TwoTenants);

        Func<Metadata, Task>[] methods =
        [
            async headers => await server.Client.ListModelsAsync(new ListModelsRequest(), headers, cancellationToken: Cancelled),
            async headers => await server.Client.CountTokensAsync(new CountTokensRequest { Prompt = "p" }, headers, cancellationToken: Cancelled),
            async headers => await server.Client.CancelGenerationAsync(
                new CancelGenerationRequest { RequestId = "r" }, headers, cancellationToken: Cancelled),
        ];

        foreach (var method in methods)
        {
            await method(TenantSettings.Key(Secret));
            (await Should.ThrowAsync<RpcException>(() => method(TenantSettings.Key("wrong")))).StatusCode.ShouldBe(StatusCode.Unauthenticated);
            (await Should.ThrowAsync<RpcException>(() => method([]))).StatusCode.ShouldBe(StatusCode.Unauthenticated);
        }
    }

    [Fact]
    public async Task CancelGeneration_OfAnotherTenant_FindsNothing()
    {
        await using var server = await LlmServer.StartAsync(ScriptedBackend.Silent(), TwoTenants);
        using var call = server.Client.Generate(
            new GenerateRequest { Prompt = "p", RequestId = "shared-name" }, TenantSettings.Key(Secret), cancellationToken: Cancelled);
        await Eventually.IsAsync(() => server.Metrics.Active == 1);

        (await CancelAsync(server, "key-of-b")).State.ShouldBe(CancelState.NotFound);
        var own = await CancelAsync(server, Secret);

        (own.State, own.CancelledCount).ShouldBe((CancelState.Cancelled, 1u));
        (await Answer.OfAsync(call)).Finish.Reason.ShouldBe(FinishReason.Cancelled);
    }

    [Fact]
    public async Task Models_OfATenant_AreAllThatItSeesAndUses()
    {
        await using var server = await LlmServer.StartAsync(
        [
            "GrpcLlm:Models:simulator:Aliases:0=sim", "GrpcLlm:Backends:simulator:TimeToFirstToken=00:00:00",
            "GrpcLlm:Backends:simulator:InterTokenLatency=00:00:00",
            .. TenantSettings.Of("a", Secret, "Models:0=sim"), .. TenantSettings.Of("b", "key-of-b"),
        ]);

        (await ModelsAsync(server, Secret)).ShouldBe(["simulator"]);
        (await ModelsAsync(server, "key-of-b")).ShouldBe(["embedded", "simulator"]);
        foreach (var allowed in new[] { "sim", "simulator" })
            (await CallAsync(server, TenantSettings.Key(Secret), allowed)).Finish.Reason.ShouldBe(FinishReason.Stop);
        foreach (var forbidden in new[] { "embedded", "" })
        {
            var answer = await CallAsync(server, TenantSettings.Key(Secret), forbidden);
            answer.Status.StatusCode.ShouldBe(StatusCode.PermissionDenied);
            answer.Reason.ShouldBe("MODEL_FORBIDDEN");
            answer.Trailer("grpc-retry-pushback-ms").ShouldBe("-1");
        }

        (await Should.ThrowAsync<RpcException>(async () => await server.Client.CountTokensAsync(
            new CountTokensRequest { Prompt = "p", Model = "embedded" }, TenantSettings.Key(Secret), cancellationToken: Cancelled)))
            .StatusCode.ShouldBe(StatusCode.PermissionDenied);
    }

    [Fact]
    public async Task Secrets_AtTheFinestLogLevel_AppearNowhere()
    {
        await using var server = await LlmServer.StartAsync(
            ScriptedBackend.Text("ok"),
            [
                .. TwoTenants, "Logging:LogLevel:Default=Trace", "Logging:LogLevel:Microsoft=Trace",
                "Logging:LogLevel:Microsoft.AspNetCore=Trace", "Logging:LogLevel:Grpc.AspNetCore=Trace",
            ]);

        await CallAsync(server, TenantSettings.Key(Secret));
        await CallAsync(server, TenantSettings.Key("wrong-" + Secret));
        await CallAsync(server, new Metadata { { "authorization", "Basic " + Secret } });
        await RawAsync(server, $"{Paths.Generate}?key={Secret}");
        await server.Logs.NextUsageAsync();

        server.Logs.Lines.ShouldContain(line => line.StartsWith("Trace"), "the level is in force");
        server.Logs.Lines.ShouldAllBe(line => !line.Contains(Secret));
    }

    private static async Task<Answer> CallAsync(LlmServer server, Metadata headers, string model = "")
    {
        using var call = server.Client.Generate(
            new GenerateRequest { Prompt = "p", Model = model }, headers, cancellationToken: Cancelled);
        return await Answer.OfAsync(call);
    }

    private static async Task<IEnumerable<string>> ModelsAsync(LlmServer server, string key) =>
        (await server.Client.ListModelsAsync(new ListModelsRequest(), TenantSettings.Key(key), cancellationToken: Cancelled))
        .Models.Select(static model => model.Name);

    private static async Task<CancelGenerationResponse> CancelAsync(LlmServer server, string key) =>
        await server.Client.CancelGenerationAsync(
            new CancelGenerationRequest { RequestId = "shared-name" }, TenantSettings.Key(key), cancellationToken: Cancelled);

    private static async Task<(string Code, RpcStatus Error)> RawAsync(
        LlmServer server, string path, params (string, string)[] headers)
    {
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        var stream = await connection.CallAsync(path, new GenerateRequest { Prompt = "p" }.ToByteArray(), headers);
        var trailers = await stream.Trailers;
        var details = trailers.Single(static field => field.Name == "grpc-status-details-bin").Value;
        return (trailers.Single(static field => field.Name == "grpc-status").Value,
            RpcStatus.Parser.ParseFrom(Convert.FromBase64String(details.PadRight((details.Length + 3) / 4 * 4, '='))));
    }
}
