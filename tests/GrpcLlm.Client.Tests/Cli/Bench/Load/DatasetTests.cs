using System.Text.Json;
using GrpcLlm.Cli;
using GrpcLlm.Cli.Bench.Load;
using GrpcLlm.Cli.Bench.Profiles;

namespace GrpcLlm.Client.Tests.Cli.Bench.Load;

public sealed class DatasetTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    [Fact]
    public void Lines_AreRequestsInOrder_AndSkipEmptyOnes()
    {
        File.WriteAllText(_file, """
            {"prompt": "one {{not a template}}"}

            {"conversation": {"messages": [{"role": "ROLE_USER", "parts": [{"text": "two"}]}]}, "limits": {"maxOutputTokens": 5}}
            """);

        var requests = Dataset.Read(_file, shuffleSeed: null);

        requests.Select(request => request.InputCase.ToString()).ShouldBe(["Prompt", "Conversation"]);
        requests[0].Prompt.ShouldBe("one {{not a template}}");
        requests[1].Limits.MaxOutputTokens.ShouldBe(5u);
    }

    [Theory]
    [InlineData("{\"prompt\": \"ok\"}\n{\"promt\": \"typo\"}", "line 2")]
    [InlineData("not json", "line 1")]
    [InlineData("\n\n", "no request")]
    public void Lines_ThatAreNoRequests_AreNamed(string text, string message)
    {
        File.WriteAllText(_file, text);

        Should.Throw<UsageException>(() => Dataset.Read(_file, null)).Message.ShouldContain(message);
    }

    [Fact]
    public void File_ThatIsMissing_IsNamed() =>
        Should.Throw<UsageException>(() => Dataset.Read("no-such.jsonl", null)).Message.ShouldContain("no-such.jsonl");

    [Fact]
    public void Shuffle_OfASeed_IsAlwaysTheSameOrderOfAll()
    {
        var prompts = Enumerable.Range(0, 50).Select(number => $"p{number}").ToList();
        File.WriteAllLines(_file, prompts.Select(prompt => $$"""{"prompt": "{{prompt}}"}"""));

        var shuffled = Dataset.Read(_file, shuffleSeed: 3).Select(request => request.Prompt).ToList();

        shuffled.ShouldNotBe(prompts);
        shuffled.ShouldBe(prompts, ignoreOrder: true);
        Dataset.Read(_file, shuffleSeed: 3).Select(request => request.Prompt).ShouldBe(shuffled);
        Dataset.Read(_file, shuffleSeed: 4).Select(request => request.Prompt).ShouldNotBe(shuffled);
    }

    [Fact]
    public void Calls_TakeLinesInTurn_AndGetModelAndLimitWhereTheySayNothing()
    {
        File.WriteAllText(_file, """
            {"prompt": "a"}
            {"prompt": "b", "model": "own", "limits": {"maxOutputTokens": 5}}
            """);
        var templates = CallTemplates.Of(
            new GhzProfile
            {
                Data = JsonDocument.Parse("""{"prompt": "unused"}""").RootElement,
                Metadata = new Dictionary<string, string> { ["x-number"] = "{{.RequestNumber}}" },
            },
            seed: 0, TimeProvider.System);
        var calls = new CallSource(templates, Dataset.Read(_file, null)) { Model = "given", MaxTokens = 64 };

        Enumerable.Range(0, 3).Select(number => calls.Of(number, "g0").Request)
            .Select(request => (request.Prompt, request.Model, request.Limits.MaxOutputTokens))
            .ShouldBe([("a", "given", 64u), ("b", "own", 5u), ("a", "given", 64u)]);
        calls.Of(2, "g0").Headers!.GetValue("x-number").ShouldBe("2");
        calls.ModelInUse().ShouldBe("");
    }

    public void Dispose() => File.Delete(_file);
}
