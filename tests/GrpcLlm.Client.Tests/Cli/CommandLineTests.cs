using System.Text.Json;
using GrpcLlm.Cli;

namespace GrpcLlm.Client.Tests.Cli;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("generate hi --bogus", "--bogus")]
    [InlineData("generate hi there", "there")]
    [InlineData("generate hi --temperature warm", "'warm' is no number")]
    [InlineData("generate hi --max-tokens -1", "'-1' is no number")]
    [InlineData("generate hi --deadline 3x", "'3x' is no duration")]
    [InlineData("generate hi --deadline 0s", "'0s' is no duration")]
    [InlineData("generate hi --address ftp://host", "no address")]
    [InlineData("models --address http://", "no address")]
    [InlineData("cancel", "ID")]
    [InlineData("sing", "sing")]
    [InlineData("", "command")]
    [InlineData("generate", "prompt")]
    public async Task CommandLine_Wrong_ExitsWithUsageInThreeLines(string line, string message)
    {
        var run = await CliRun.OfAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));

        run.ExitCode.ShouldBe(ExitCodes.Usage);
        run.Output.ShouldBeEmpty();
        run.ErrorLines.Length.ShouldBe(3);
        run.Error.ShouldContain(message);
        run.ErrorLines[2].ShouldContain("--help");
    }

    [Fact]
    public async Task CommandLine_WrongWithJson_IsOneJsonLine()
    {
        var run = await CliRun.OfAsync(["generate", "hi", "--bogus", "--json"]);

        run.ExitCode.ShouldBe(ExitCodes.Usage);
        var error = JsonDocument.Parse(run.ErrorLines.ShouldHaveSingleItem()).RootElement.GetProperty("error");
        error.GetProperty("exitCode").GetInt32().ShouldBe(ExitCodes.Usage);
    }

    [Theory]
    [InlineData("")]
    [InlineData("generate")]
    [InlineData("models")]
    [InlineData("count-tokens")]
    [InlineData("cancel")]
    [InlineData("health")]
    [InlineData("bench")]
    [InlineData("bench calibrate")]
    public async Task Help_OfEveryCommand_HasExamplesAndExitCodes(string command)
    {
        var run = await CliRun.OfAsync([.. command.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--help"]);

        run.ExitCode.ShouldBe(ExitCodes.Well);
        run.Error.ShouldBeEmpty();
        var examples = run.OutputLines.SkipWhile(line => line != "Examples:").Skip(1)
            .TakeWhile(line => line.StartsWith("  ", StringComparison.Ordinal));
        examples.ShouldAllBe(line => line.Contains($"grpcllm {command}".TrimEnd(), StringComparison.Ordinal));
        examples.ShouldNotBeEmpty();
        run.Output.ShouldContain(CommonOptions.AddressVariable);
        run.Output.ShouldContain(CommonOptions.ApiKeyVariable);
        foreach (var (code, meaning) in ExitCodes.Documented) run.Output.ShouldContain($"{code,-3}  {meaning}");
    }

    [Theory]
    [InlineData("500ms", 500.0)]
    [InlineData("30s", 30_000.0)]
    [InlineData("1.5m", 90_000.0)]
    [InlineData("1h", 3_600_000.0)]
    [InlineData("2", 2_000.0)]
    public void Duration_WithUnit_IsRead(string text, double milliseconds)
    {
        var option = new System.CommandLine.Option<TimeSpan?>("--time") { CustomParser = DurationText.Parse };
        var command = new System.CommandLine.RootCommand { option };

        command.Parse(["--time", text]).GetValue(option).ShouldBe(TimeSpan.FromMilliseconds(milliseconds));
    }

    [Fact]
    public async Task Verbose_Failure_ShowsTheStack()
    {
        string[] args = ["models", "--address", FailureTests.UnusedAddress().ToString()];

        var quiet = await CliRun.OfAsync(args);
        var verbose = await CliRun.OfAsync([.. args, "--verbose"]);

        quiet.Error.ShouldNotContain("   at ");
        verbose.Error.ShouldContain("   at ");
    }
}
