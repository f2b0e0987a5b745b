using Grpc.Core;
using Grpc.Health.V1;
using GrpcLlm.Cli;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests.Cli;

/// <summary>Credentials, headers and health.</summary>
public sealed class AccessTests
{
    private const string Key = "secret-0123456789";

    [Theory]
    [InlineData("generate", "hi")]
    [InlineData("models")]
    [InlineData("count-tokens", "hi")]
    [InlineData("cancel", "id")]
    public async Task KeyAndHeaders_GoWithEveryCall(params string[] command)
    {
        await using var server = await TestServer.StartAsync();
        var seen = new List<Metadata>();
        server.Service.OnHeaders = seen.Add;
        server.Service.Streams(Chunks.Answer());
        server.Service.OnListModels = _ => new ListModelsResponse();
        server.Service.OnCountTokens = _ => new CountTokensResponse();
        server.Service.OnCancel = _ => new CancelGenerationResponse { State = CancelState.Cancelled };

        var run = await CliRun.OfAsync(
            [.. command, "--address", server.Address.ToString(), "-H", "X-Team: search", "--header", "x-trace: a:b"], with: WithKey);

        run.ExitCode.ShouldBe(ExitCodes.Well, run.Error);
        var headers = seen.ShouldHaveSingleItem();
        headers.GetValue("authorization").ShouldBe($"Bearer {Key}");
        headers.GetValue("x-team").ShouldBe("search");
        headers.GetValue("x-trace").ShouldBe("a:b");
        (run.Output + run.Error).ShouldNotContain(Key);
    }

    [Fact]
    public async Task Header_Authorization_TakesThePlaceOfTheKey()
    {
        await using var server = await TestServer.StartAsync();
        Metadata? seen = null;
        server.Service.OnHeaders = headers => seen = headers;
        server.Service.OnListModels = _ => new ListModelsResponse();

        await CliRun.OfAsync(["models", "--address", server.Address.ToString(), "-H", "Authorization: Basic x"], with: WithKey);

        seen!.GetAll("authorization").Select(entry => entry.Value).ShouldBe(["Basic x"]);
    }

    [Fact]
    public async Task Key_OverPlainHttpToAnotherMachine_IsRefusedUnlessAllowed()
    {
        string[] args = ["models", "--address", "http://llm.invalid:1"];

        var refused = await CliRun.OfAsync(args, with: WithKey);
        var allowed = await CliRun.OfAsync([.. args, "--allow-insecure-credentials"], with: WithKey);

        refused.ExitCode.ShouldBe(ExitCodes.Usage);
        refused.ErrorLines[1].ShouldContain(CommonOptions.ApiKeyVariable);
        refused.Error.ShouldNotContain(Key);
        allowed.ExitCode.ShouldBe(ExitCodes.Unavailable);
    }

    [Theory]
    [InlineData("no colon")]
    [InlineData(": no name")]
    [InlineData("bad name: x")]
    [InlineData("data-bin: x")]
    public async Task Header_ThatIsNone_IsWrongUsageWithoutItsValue(string header)
    {
        var run = await CliRun.OfAsync(["models", "-H", header + Key]);

        run.ExitCode.ShouldBe(ExitCodes.Usage);
        run.ErrorLines.Length.ShouldBe(3);
        run.Error.ShouldNotContain(Key);
    }

    [Theory]
    [InlineData(true, "serving\n", """{"serving":true}""", ExitCodes.Well)]
    [InlineData(false, "not serving\n", """{"serving":false}""", ExitCodes.Unavailable)]
    public async Task Health_Answer_IsToldAndDecidesTheExitCode(bool serves, string output, string json, int code)
    {
        await using var server = await TestServer.StartAsync();
        server.Health.Status = serves ? HealthCheckResponse.Types.ServingStatus.Serving : HealthCheckResponse.Types.ServingStatus.NotServing;

        var run = await CliRun.OfAsync(server, "health");
        var machine = await CliRun.OfAsync(server, "health", "--json");

        run.Output.ShouldBe(output);
        run.ExitCode.ShouldBe(code);
        machine.OutputLines.ShouldBe([json]);
        machine.ExitCode.ShouldBe(code);
    }

    [Fact]
    public async Task Health_NobodyThere_SaysSo()
    {
        var run = await CliRun.OfAsync(["health", "--address", FailureTests.UnusedAddress().ToString()]);

        run.ExitCode.ShouldBe(ExitCodes.Unavailable);
        run.ErrorLines[0].ShouldStartWith("grpcllm: no server answers at");
    }

    private static CliConsole WithKey(CliConsole console) =>
        console with { Variable = name => name is CommonOptions.ApiKeyVariable ? Key : null };
}
