using GrpcLlm.Cli;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests.Cli;

public sealed class OtherCommandsTests
{
    [Fact]
    public async Task Models_Listed_AsATable()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.OnListModels = _ => Models();

        var run = await CliRun.OfAsync(server, "models");

        run.ExitCode.ShouldBe(ExitCodes.Well);
        (await CliRun.OfAsync(server, "models", "-v")).Output.ShouldContain("Small. And more.");
        run.OutputLines.ShouldBe(
        [
            "   NAME      STATE        CONTEXT  BACKENDS  DESCRIPTION",
            "*  embedded  available    512      embedded  Small.",
            "   far       unavailable  ?        ?         Far \uFFFD[2J away.",
        ]);
    }

    [Fact]
    public async Task Models_Json_IsAModelPerLine()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.OnListModels = _ => Models();

        var run = await CliRun.OfAsync(server, "models", "--json");

        run.OutputLines.Select(Model.Parser.ParseJson).ShouldBe(Models().Models);
    }

    [Fact]
    public async Task CountTokens_Counted_PrintsTheNumberAlone()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.OnCountTokens = request => new CountTokensResponse
        {
            InputTokens = (uint)request.Prompt.Length,
            Source = UsageSource.Counted,
            Model = request.Model,
            Backend = "embedded",
        };

        var run = await CliRun.OfAsync(server, "count-tokens", "four", "--model", "tiny");

        run.Output.ShouldBe("4\n");
        run.Error.ShouldBe("counted for tiny on embedded\n");
    }

    [Theory]
    [InlineData(CancelState.Cancelled, 1u, "cancelled 1 generation\n", ExitCodes.Well)]
    [InlineData(CancelState.Cancelled, 2u, "cancelled 2 generations\n", ExitCodes.Well)]
    [InlineData(CancelState.AlreadyFinished, 0u, "already finished\n", ExitCodes.Well)]
    [InlineData(CancelState.NotFound, 0u, "not found\n", ExitCodes.Failed)]
    public async Task Cancel_State_IsToldAndDecidesTheExitCode(CancelState state, uint count, string output, int code)
    {
        await using var server = await TestServer.StartAsync();
        server.Service.OnCancel = _ => new CancelGenerationResponse { State = state, CancelledCount = count };

        var run = await CliRun.OfAsync(server, "cancel", "req-1");

        run.Output.ShouldBe(output);
        run.ExitCode.ShouldBe(code);
    }

    private static ListModelsResponse Models() => new()
    {
        Models =
        {
            new Model
            {
                Name = "embedded", IsDefault = true, State = ModelState.Available, ContextWindow = 512,
                Backends = { "embedded" }, Description = "Small. And more.",
            },
            new Model { Name = "far", State = ModelState.Unavailable, Description = "Far \e[2J away." },
        },
    };
}
