using GrpcLlm.Cli;
using GrpcLlm.Client.Tests.Chat;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests.Cli;

public sealed class ToolCallOutputTests
{
    [Fact]
    public async Task Generate_ToolCalls_ArePrintedWholeOnLinesOfTheirOwn()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(ChatClientTests.Numbered(
            new TokenChunk { Text = "I ask." },
            new TokenChunk { PartIndex = 1, ToolCall = new ToolCallDelta { Id = "c1", Name = "weather", ArgumentsFragment = "{\"city\":" } },
            new TokenChunk { PartIndex = 2, ToolCall = new ToolCallDelta { Index = 1, Id = "c2", Name = "time", Done = true } },
            new TokenChunk { PartIndex = 1, ToolCall = new ToolCallDelta { ArgumentsFragment = "\"Bern\"}", Done = true } },
            new TokenChunk { Finish = new Finish { Reason = FinishReason.ToolCalls } }));

        var run = await CliRun.OfAsync(server, "generate", "hi");

        run.ExitCode.ShouldBe(ExitCodes.Well);
        run.OutputLines.ShouldBe(["I ask.", "tool_call c2 time {}", """tool_call c1 weather {"city":"Bern"}"""]);
        run.ErrorLines[0].ShouldBe("finish    tool_calls");
    }

    [Fact]
    public async Task Generate_ToolCallCutOff_IsToldAndNotPrinted()
    {
        await using var server = await TestServer.StartAsync();
        server.Service.Streams(ChatClientTests.Numbered(
            new TokenChunk { ToolCall = new ToolCallDelta { Id = "c1", Name = "transfer", ArgumentsFragment = "{\"amount\": 10" } },
            new TokenChunk { Finish = new Finish { Reason = FinishReason.Length } }));

        var run = await CliRun.OfAsync(server, "generate", "hi");

        run.Output.ShouldBeEmpty();
        run.ErrorLines[0].ShouldBe("tool call transfer was cut off");
    }
}
