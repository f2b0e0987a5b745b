using GrpcLlm.Cli;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests.Cli;

/// <summary>What a model is given by the command line, files and stdin.</summary>
public sealed class InputTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("grpcllm-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Generate_System_IsAMessageBeforeThePrompt() =>
        (await RequestOfAsync(["hi", "--system", "Be brief."])).ShouldBe(new GenerateRequest
        {
            Conversation = new Conversation { Messages = { Message(Role.System, "Be brief."), Message(Role.User, "hi") } },
        });

    [Fact]
    public async Task Generate_SystemAndPipedPrompt_AreBothSent() =>
        (await RequestOfAsync(["--system", "Be brief."], stdin: "hi\n")).Conversation.Messages
            .ShouldBe([Message(Role.System, "Be brief."), Message(Role.User, "hi")]);

    [Theory]
    [InlineData("""[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}]""")]
    [InlineData("""{"messages":[{"role":"ROLE_USER","parts":[{"text":"Hi"}]},{"role":"assistant","parts":[{"text":"Hello"}]}]}""")]
    public async Task Generate_Conversation_InEitherForm_IsSentWithThePromptAsItsLastMessage(string json)
    {
        var request = await RequestOfAsync(["And now?", "--conversation", FileOf(json)]);

        request.Conversation.Messages.ShouldBe([Message(Role.User, "Hi"), Message(Role.Assistant, "Hello"), Message(Role.User, "And now?")]);
        request.InputCase.ShouldBe(GenerateRequest.InputOneofCase.Conversation);
    }

    [Fact]
    public async Task Generate_ConversationAlone_DoesNotWaitForStdin()
    {
        var request = await RequestOfAsync(["--conversation", FileOf("""[{"role":"user","content":"Hi"}]"""), "--system", "Be brief."], stdin: "unread");

        request.Conversation.Messages.ShouldBe([Message(Role.System, "Be brief."), Message(Role.User, "Hi")]);
    }

    [Fact]
    public async Task Generate_ConversationOnStdin_IsRead() =>
        (await RequestOfAsync(["-c", "-"], stdin: """[{"role":"user","content":"Hi"}]""")).Conversation.Messages
            .ShouldBe([Message(Role.User, "Hi")]);

    [Fact]
    public async Task Generate_ConversationOfToolCallsAndImages_KeepsEveryPart()
    {
        const string Json = """
            [
              {"role": "user", "parts": [{"text": "What is it?"}, {"image": {"url": "https://example.org/a.png"}}]},
              {"role": "assistant", "parts": [{"reasoning": "hm", "signature": "AQID"}, {"toolCall": {"id": "c1", "name": "f", "argumentsJson": "{}"}}]},
              {"role": "tool", "parts": [{"tool_result": {"tool_call_id": "c1", "parts": [{"text": "21"}]}}]}
            ]
            """;

        var messages = (await RequestOfAsync(["-c", FileOf(Json)])).Conversation.Messages;

        messages.Select(message => message.Role).ShouldBe([Role.User, Role.Assistant, Role.Tool]);
        messages[0].Parts[1].Image.Url.ShouldBe("https://example.org/a.png");
        messages[1].Parts[0].Signature.ToByteArray().ShouldBe([1, 2, 3]);
        messages[2].Parts[0].ToolResult.ToolCallId.ShouldBe("c1");
    }

    [Fact]
    public async Task Generate_Schema_IsSentToTheLetter()
    {
        const string Schema = """{"type": "object",  "x": 1.0}""";

        var request = await RequestOfAsync(["hi", "--schema", FileOf(Schema), "--logprobs"]);

        request.Output.ResponseFormat.JsonSchema.ShouldBe(new JsonSchemaFormat { JsonSchema = Schema });
        request.Output.Logprobs.ShouldBeTrue();
    }

    [Fact]
    public async Task Generate_JsonObject_IsTheFormat() =>
        (await RequestOfAsync(["hi", "--json-object"])).Output.ResponseFormat.JsonObject.ShouldNotBeNull();

    [Fact]
    public async Task Generate_SchemaAndJsonObject_ExcludeEachOther()
    {
        await using var server = await TestServer.StartAsync();

        var run = await CliRun.OfAsync(server, "generate", "hi", "--json-object", "--schema", FileOf("{}"));

        run.ExitCode.ShouldBe(ExitCodes.Usage);
        run.ErrorLines.ShouldContain(line => line.Contains("exclude each other"));
    }

    [Theory]
    [InlineData("auto", ToolChoiceMode.Auto)]
    [InlineData("none", ToolChoiceMode.None)]
    [InlineData("required", ToolChoiceMode.Required)]
    [InlineData("weather", ToolChoiceMode.Required, "weather")]
    public async Task Generate_ToolChoice_IsAModeOrTheOneTool(string choice, ToolChoiceMode mode, params string[] names) =>
        (await RequestOfAsync(["hi", "--tool-choice", choice])).ToolChoice
            .ShouldBe(new ToolChoice { Mode = mode, ToolNames = { names } });

    [Theory]
    [InlineData("""[{"name":"weather","description":"Tells it.","parameters":{"type": "object",  "x": 1.0},"strict":true}]""")]
    [InlineData("""{"tools":[{"type":"function","function":{"name":"weather","description":"Tells it.","parameters":{"type": "object",  "x": 1.0},"strict":true}}]}""")]
    public async Task Generate_Tools_InEitherForm_AreSentWithTheirSchemaToTheLetter(string json) =>
        (await RequestOfAsync(["hi", "--tools", FileOf(json)])).Tools.ShouldBe(
        [
            new Tool { Name = "weather", Description = "Tells it.", ParametersJsonSchema = """{"type": "object",  "x": 1.0}""", Strict = true },
        ]);

    [Theory]
    [InlineData("--conversation", "[", "is no conversation")]
    [InlineData("--conversation", "7", "an array of messages is expected")]
    [InlineData("--conversation", "[]", "holds no message")]
    [InlineData("--conversation", """[{"role":"critic","content":"x"}]""", "ROLE_CRITIC")]
    [InlineData("--conversation", """[{"role":"user","contents":"x"}]""", "contents")]
    [InlineData("--conversation", """["hi"]""", "is no conversation")]
    [InlineData("--tools", "{}", "an array is expected")]
    [InlineData("--tools", "[7]", "tool 1: an object is expected")]
    [InlineData("--tools", "[{}]", "tool 1: 'name' is missing")]
    [InlineData("--tools", """[{"name":"f"},{"name":"f","params":{}}]""", "tool 2: 'params' is not known")]
    [InlineData("--tools", """[{"name":"f","parameters":"{}"}]""", "'parameters'")]
    public async Task Generate_FileOfAnotherForm_IsWrongUsageThatNamesIt(string option, string json, string message)
    {
        var file = FileOf(json);

        var run = await CliRun.OfAsync(["generate", "hi", option, file]);

        run.ExitCode.ShouldBe(ExitCodes.Usage);
        run.ErrorLines.Length.ShouldBe(3);
        run.ErrorLines[1].ShouldContain(file);
        run.ErrorLines[1].ShouldContain(message);
    }

    [Theory]
    [InlineData("generate hi --tools /no/such/file", "'/no/such/file' cannot be read")]
    [InlineData("generate hi --conversation /no/such/file", "'/no/such/file' cannot be read")]
    [InlineData("generate - --conversation -", "cannot both come from stdin")]
    [InlineData("count-tokens hi --tools /no/such/file", "'/no/such/file' cannot be read")]
    public async Task Generate_FileThatIsNotThere_IsWrongUsage(string line, string message)
    {
        var run = await CliRun.OfAsync(line.Split(' '));

        run.ExitCode.ShouldBe(ExitCodes.Usage);
        run.ErrorLines[1].ShouldContain(message);
    }

    [Fact]
    public async Task Generate_PenaltiesAndReasoning_AreInTheRequest()
    {
        var request = await RequestOfAsync(
            ["hi", "--presence-penalty", "-0.5", "--frequency-penalty", "0.25", "--repetition-penalty", "1.1", "--reasoning", "max"]);

        request.Sampling.ShouldBe(new SamplingOptions { PresencePenalty = -0.5, FrequencyPenalty = 0.25, RepetitionPenalty = 1.1 });
        request.Reasoning.ShouldBe(new ReasoningOptions { Effort = ReasoningEffort.Max });
        (await CliRun.OfAsync(["generate", "hi", "--reasoning", "unspecified"])).ExitCode.ShouldBe(ExitCodes.Usage);
    }

    [Fact]
    public async Task CountTokens_ConversationAndTools_AreCounted()
    {
        await using var server = await TestServer.StartAsync();
        CountTokensRequest? seen = null;
        server.Service.OnCountTokens = request =>
        {
            seen = request;
            return new CountTokensResponse { InputTokens = 9 };
        };

        var run = await CliRun.OfAsync(
            server, "count-tokens", "hi", "--system", "Be brief.", "--tools", FileOf("""[{"name":"f"}]"""));

        run.ExitCode.ShouldBe(ExitCodes.Well);
        seen!.Conversation.Messages.ShouldBe([Message(Role.System, "Be brief."), Message(Role.User, "hi")]);
        seen.Tools.ShouldBe([new Tool { Name = "f" }]);
    }

    private static ConversationMessage Message(Role role, string text) =>
        new() { Role = role, Parts = { new ContentPart { Text = text } } };

    private static async Task<GenerateRequest> RequestOfAsync(string[] args, string stdin = "")
    {
        await using var server = await TestServer.StartAsync();
        GenerateRequest? seen = null;
        server.Service.OnGenerate = async (request, stream, context) =>
        {
            seen = request;
            await stream.WriteAsync(Chunks.End(1), context.CancellationToken);
        };

        var run = await CliRun.OfAsync(["generate", .. args, "--address", server.Address.ToString()], stdin);

        run.ExitCode.ShouldBe(ExitCodes.Well, run.Error);

        // Made by the client where the command line names none.
        seen!.RequestId = "";
        return seen;
    }

    private string FileOf(string json)
    {
        var file = Path.Combine(_directory, "input.json");
        File.WriteAllText(file, json);
        return file;
    }
}
