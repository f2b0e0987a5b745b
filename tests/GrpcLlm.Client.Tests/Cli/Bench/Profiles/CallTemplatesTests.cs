using System.Globalization;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using GrpcLlm.Cli;
using GrpcLlm.Cli.Bench.Profiles;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests.Cli.Bench.Profiles;

public sealed class CallTemplatesTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("grpcllm-").FullName;
    private readonly FakeTimeProvider _time = new();

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Data_WithoutTemplates_IsOneRequestForAllCalls()
    {
        var templates = Of("""{"model": "simulator", "prompt": "hi", "limits": {"maxOutputTokens": 8}}""");

        var first = templates.Render(0, "w0");
        first.Request.ShouldBe(new GenerateRequest { Model = "simulator", Prompt = "hi", Limits = new GenerationLimits { MaxOutputTokens = 8 } });
        first.Headers.ShouldBeNull();
        templates.Render(7, "w1").Request.ShouldBeSameAs(first.Request);
    }

    [Fact]
    public void Data_AsAnArray_IsTakenInTurn()
    {
        var templates = Of("""[{"prompt": "a"}, {"prompt": "b {{.RequestNumber}}"}, {"prompt": "c"}]""");

        Enumerable.Range(0, 5).Select(number => templates.Render(number, "w").Request.Prompt).ShouldBe(["a", "b 1", "c", "a", "b 4"]);
    }

    [Theory]
    [InlineData("{{.WorkerID}}", "g3c0")]
    [InlineData("{{ .RequestNumber }}", "41")]
    [InlineData("{{.FullyQualifiedName}}", "grpcllm.v1.GenerationService.Generate")]
    [InlineData("{{.MethodName}}", "Generate")]
    [InlineData("{{.ServiceName}}", "GenerationService")]
    [InlineData("{{.InputName}}", "GenerateRequest")]
    [InlineData("{{.OutputName}}", "TokenChunk")]
    [InlineData("{{.IsClientStreaming}}", "false")]
    [InlineData("{{.IsServerStreaming}}", "true")]
    [InlineData("{{.Timestamp}}", "2030-01-01T00:00:01Z")]
    [InlineData("{{.TimestampUnix}}", "1893456001")]
    [InlineData("{{.TimestampUnixMilli}}", "1893456001500")]
    [InlineData("{{.TimestampUnixNano}}", "1893456001500000000")]
    [InlineData("a {{.MethodName}}{{.MethodName}} }} b", "a GenerateGenerate }} b")]
    public void Action_OfTheCall_IsItsValue(string action, string value)
    {
        _time.Advance(TimeSpan.FromSeconds(1.5));

        Of(PromptJson(action)).Render(41, "g3c0").Request.Prompt.ShouldBe(value);
    }

    [Fact]
    public void Functions_DrawWithinTheirBounds_AndRepeatWithTheSeed()
    {
        const string Action = "{{randomInt 3 6}} {{randomString 5}} {{randomString 0}} {{newUUID}} {{.UUID}} {{newUUID}}";
        var templates = Of(PromptJson(Action));
        var prompts = Enumerable.Range(0, 200).Select(number => templates.Render(number, "w").Request.Prompt).ToList();

        foreach (var parts in prompts.Select(prompt => prompt.Split(' ')))
        {
            int.Parse(parts[0], CultureInfo.InvariantCulture).ShouldBeInRange(3, 5);
            parts[1].Length.ShouldBe(5);
            parts[2].Length.ShouldBeInRange(2, 16);
            (parts[1] + parts[2]).All(char.IsAsciiLetterOrDigit).ShouldBeTrue();
            foreach (var uuid in parts[3..].Select(Guid.Parse)) (uuid.Version, uuid.Variant & 0xC).ShouldBe((4, 8));
            parts[3..].Distinct().Count().ShouldBe(3);
        }

        prompts.Distinct().Count().ShouldBe(200);
        prompts.Select(prompt => prompt[0]).Distinct().Count().ShouldBe(3);

        // Whoever makes the call, and in whatever order.
        var again = Of(PromptJson(Action));
        again.Render(150, "x").Request.Prompt.ShouldBe(prompts[150]);
        again.Render(3, "y").Request.Prompt.ShouldBe(prompts[3]);
        Of(PromptJson(Action), seed: 8).Render(3, "y").Request.Prompt.ShouldNotBe(prompts[3]);
    }

    [Fact]
    public void Metadata_IsTemplatedWithTheSameValuesAsTheData()
    {
        var templates = Of(Profile(PromptJson("{{.UUID}}")) with
        {
            Metadata = new Dictionary<string, string> { ["x-id"] = "{{.UUID}}", ["x-{{.RequestNumber}}"] = "v", ["x-raw-bin"] = "\u00e9" },
        });

        var (request, headers) = templates.Render(5, "w");
        headers!.Get("x-id")!.Value.ShouldBe(request.Prompt);
        headers.Get("x-5")!.Value.ShouldBe("v");
        headers.Get("x-raw-bin")!.ValueBytes.ShouldBe(Encoding.UTF8.GetBytes("\u00e9"));
    }

    [Fact]
    public void Metadata_WithoutTemplates_IsMadeOnce()
    {
        var templates = Of(Profile(PromptJson("{{.UUID}}")) with { Metadata = new Dictionary<string, string> { ["a"] = "b" } });

        templates.Render(1, "w").Headers.ShouldBeSameAs(templates.Render(2, "w").Headers);
    }

    [Fact]
    public void TemplateData_Disabled_IsSentAsItStands()
    {
        var templates = Of(Profile(PromptJson("{{.UUID}}")) with
        {
            DisableTemplateData = true,
            Metadata = new Dictionary<string, string> { ["a"] = "{{x}}" },
        });

        var (request, headers) = templates.Render(1, "w");
        request.Prompt.ShouldBe("{{.UUID}}");
        headers!.Get("a")!.Value.ShouldBe("{{x}}");
    }

    [Fact]
    public void DataFile_OfAnObject_IsTemplatedBeforeItIsJson()
    {
        var profile = new GhzProfile { DataFile = FileOf("""{"prompt": "x", "limits": {"maxOutputTokens": {{randomInt 4 5}}}}""") };

        Of(profile).Render(0, "w").Request.Limits.MaxOutputTokens.ShouldBe(4u);
    }

    [Fact]
    public void DataFile_OfAnArray_IsTakenInTurn()
    {
        var templates = Of(new GhzProfile { DataFile = FileOf("""[{"prompt": "a"}, {"prompt": "{{.WorkerID}}"}]""") });

        templates.Render(2, "w").Request.Prompt.ShouldBe("a");
        templates.Render(3, "w").Request.Prompt.ShouldBe("w");
    }

    [Fact]
    public void BinaryFile_OfOneOrOfPrefixedMessages_IsRead()
    {
        GenerateRequest[] requests = [new() { Prompt = "a" }, new() { Prompt = "b" }];
        var one = Path.Combine(_directory, "one.bin");
        File.WriteAllBytes(one, requests[0].ToByteArray());
        using var several = new MemoryStream();
        foreach (var request in requests) request.WriteDelimitedTo(several);
        var many = Path.Combine(_directory, "many.bin");
        File.WriteAllBytes(many, several.ToArray());

        Of(new GhzProfile { BinaryFile = one }).Render(1, "w").Request.ShouldBe(requests[0]);
        var templates = Of(new GhzProfile { BinaryFile = many });
        Enumerable.Range(0, 3).Select(number => templates.Render(number, "w").Request).ShouldBe([requests[0], requests[1], requests[0]]);
    }

    [Theory]
    [InlineData("{{upper \\\"x\\\"}}", "the template action '{{upper ")]
    [InlineData("{{.Nothing}}", "the template action '{{.Nothing}}' is not known")]
    [InlineData("{{randomInt 5}}", "is not known")]
    [InlineData("{{randomInt 5 5}}", "has no number to choose")]
    [InlineData("{{randomInt 1 10 | printf}}", "is not known")]
    [InlineData("{{newUUID 3}}", "is not known")]
    [InlineData("{{}}", "is not known")]
    [InlineData("{{.UUID", "does not end")]
    [InlineData("{{- .UUID }}", "is not known")]
    public void Action_ThatIsNotKnown_IsNamed(string action, string reason)
    {
        var message = Should.Throw<UsageException>(() => Of(PromptJson(action))).Message;

        message.ShouldStartWith("'p.json': data: ");
        message.ShouldContain(reason);
    }

    [Fact]
    public void Functions_Disabled_AreRefused_AndValuesStay()
    {
        var values = Profile(PromptJson("{{.MethodName}}")) with { DisableTemplateFunctions = true };
        Of(values).Render(0, "w").Request.Prompt.ShouldBe("Generate");
        Should.Throw<UsageException>(() => Of(values with { Data = Parse(PromptJson("{{newUUID}}")) })).Message
            .ShouldContain("disable-template-functions");
    }

    [Theory]
    [InlineData("""{"promt": "x"}""", "promt")]
    [InlineData("""{"prompt": 5}""", "is no GenerateRequest")]
    [InlineData("""{"limits": {"maxOutputTokens": "{{.MethodName}}"}}""", "is no GenerateRequest")]
    public void Data_ThatIsNoRequest_IsRefusedBeforeTheFirstCall(string json, string reason) =>
        Should.Throw<UsageException>(() => Of(json)).Message.ShouldContain(reason);

    [Theory]
    [InlineData("grpc-timeout", "1S", "is a header of gRPC's own")]
    [InlineData("no name", "v", "is no name of a header")]
    [InlineData("x", "secr\u00e9t", "the value of 'x' is not printable ASCII")]
    [InlineData("x", "{{.Nothing}}", "'{{.Nothing}}' is not known")]
    public void Header_ThatCannotBeSent_IsRefusedWithoutItsValue(string name, string value, string reason)
    {
        var profile = Profile("{}") with { Metadata = new Dictionary<string, string> { [name] = value } };

        var message = Should.Throw<UsageException>(() => Of(profile)).Message;
        message.ShouldStartWith("'p.json': metadata: ");
        message.ShouldContain(reason);
        message.ShouldNotContain("secr\u00e9t");
    }

    [Fact]
    public void Data_Missing_OrFileThatIsNotThere_IsNamed()
    {
        Should.Throw<UsageException>(() => Of(new GhzProfile { Path = "p.json" })).Message.ShouldContain("'p.json': data: is missing");
        Should.Throw<UsageException>(() => Of(new GhzProfile { DataFile = "/no/such/data" })).Message.ShouldContain("data-file: cannot be read");
        Should.Throw<UsageException>(() => Of(Profile("{}") with { MetadataFile = "/no/such/metadata" })).Message
            .ShouldContain("metadata-file: cannot be read");
    }

    private static string PromptJson(string prompt) => $$"""{"prompt": "{{prompt}}"}""";

    private static GhzProfile Profile(string json) => new() { Path = "p.json", Data = Parse(json) };

    private static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    private CallTemplates Of(string json, long seed = 7) => CallTemplates.Of(Profile(json), seed, _time);

    private CallTemplates Of(GhzProfile profile) => CallTemplates.Of(profile, seed: 7, _time);

    private string FileOf(string text)
    {
        var file = Path.Combine(_directory, "data.json");
        File.WriteAllText(file, text);
        return file;
    }
}
