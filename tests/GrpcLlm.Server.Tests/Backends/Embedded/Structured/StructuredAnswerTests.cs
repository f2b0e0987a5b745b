using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Structured;

/// <summary>The events of answers that have a shape.</summary>
public sealed class StructuredAnswerTests : IAsyncDisposable
{
    private const string PersonSchema =
        """{"type":"object","properties":{"name":{"type":"string","maxLength":20},"age":{"type":"integer","minimum":0,"maximum":120}},"required":["name","age"]}""";

    private readonly EmbeddedBackend _backend = new("embedded", new EmbeddedBackendOptions { Threads = 2 }, null, TimeProvider.System);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _backend.DisposeAsync();

    [Fact]
    public async Task JsonSchema_EndsWithStopAndIsValid()
    {
        for (var seed = 0; seed < 10; seed++)
        {
            var events = await ReadAsync(WithSchema(PersonSchema, seed));
            events[^1].Ending!.Reason.ShouldBe(FinishReason.Stop);
            events[^1].Ending!.RawReason.ShouldBe("complete");
            events[^1].Ending!.Usage!.OutputTokens.ShouldBe((uint)events.Sum(item => item.TokenCount));
            SchemaValidator.Fault(PersonSchema, TextOf(events)).ShouldBeNull();
        }
    }

    [Fact]
    public async Task JsonSchema_SameSeedAloneAndBesideOthers_GivesSameText()
    {
        var alone = TextOf(await ReadAsync(WithSchema(PersonSchema, 3)));
        var all = await Task.WhenAll(Enumerable.Range(0, 6).Select(seed => ReadAsync(WithSchema(PersonSchema, seed))));
        TextOf(all[3]).ShouldBe(alone);
        all.Select(TextOf).Distinct().Count().ShouldBeGreaterThan(1);
    }

    [Fact]
    public async Task JsonObject_EndsWithStopAndIsAnObject()
    {
        var request = Request(5);
        request.Output = new OutputOptions { ResponseFormat = new ResponseFormat { JsonObject = new JsonObjectFormat() } };
        var events = await ReadAsync(request);
        events[^1].Ending!.Reason.ShouldBe(FinishReason.Stop);
        SchemaValidator.Fault("""{"type":"object"}""", TextOf(events)).ShouldBeNull();
    }

    [Fact]
    public async Task JsonSchema_FewerTokensThanItTakes_IsLength()
    {
        var request = WithSchema(PersonSchema, 1);
        request.Limits.MaxOutputTokens = 3;
        var events = await ReadAsync(request);
        events[^1].Ending!.Reason.ShouldBe(FinishReason.Length);
        SchemaValidator.Fault(PersonSchema, TextOf(events)).ShouldNotBeNull();
    }

    [Fact]
    public async Task JsonSchema_Logprobs_AreTheModelsOwn()
    {
        var request = WithSchema("""{"const":"x"}""", 1);
        request.Output.TopLogprobs = 1;
        var tokens = (await ReadAsync(request)).Where(item => item.Tokens is not null).SelectMany(item => item.Tokens!).ToList();
        tokens.Count.ShouldBeGreaterThan(1);
        tokens[0].Logprob.ShouldBeLessThan(tokens[0].Alternatives[0].Logprob); // it would rather have gone on with its tale
    }

    [Fact]
    public async Task OneTool_IsCalledWithValidArguments()
    {
        var request = WithTools(7, new Tool { Name = "greet", ParametersJsonSchema = PersonSchema });
        var events = await ReadAsync(request);

        var deltas = DeltasOf(events);
        deltas[0].Name.ShouldBe("greet");
        deltas[0].Id.Length.ShouldBe(9);
        deltas.Skip(1).ShouldAllBe(delta => delta.Name.Length == 0 && delta.Id.Length == 0);
        deltas.Select(delta => delta.Done).ShouldBe([.. Enumerable.Repeat(false, deltas.Count - 1), true]);
        SchemaValidator.Fault(PersonSchema, ArgumentsOf(deltas)).ShouldBeNull();
        events[^1].Ending!.Reason.ShouldBe(FinishReason.ToolCalls);
        events[^1].Ending!.Usage!.OutputTokens.ShouldBe((uint)events.Sum(item => item.TokenCount));
        TextOf(events).ShouldBeEmpty();
    }

    [Fact]
    public async Task SeveralTools_EachIsCalledSometimesWithItsOwnArguments()
    {
        const string otherSchema = """{"type":"object","properties":{"city":{"enum":["Bern","Rome"]}},"required":["city"]}""";
        var called = new HashSet<string>();
        for (var seed = 0; seed < 12; seed++)
        {
            var request = WithTools(
                seed, new Tool { Name = "greet", ParametersJsonSchema = PersonSchema },
                new Tool { Name = "go", ParametersJsonSchema = otherSchema }, new Tool { Name = "give_up" });
            request.Sampling.Temperature = 2;
            var events = await ReadAsync(request);

            var deltas = DeltasOf(events);
            var name = deltas[0].Name;
            called.Add(name);
            var schema = name switch
            {
                "greet" => PersonSchema,
                "go" => otherSchema,
                _ => """{"type":"object","additionalProperties":false}""",
            };
            SchemaValidator.Fault(schema, ArgumentsOf(deltas)).ShouldBeNull();
            deltas[^1].Done.ShouldBeTrue();
            events[^1].Ending!.Reason.ShouldBe(FinishReason.ToolCalls);
            events[^1].Ending!.Usage!.OutputTokens.ShouldBe((uint)events.Sum(item => item.TokenCount));
        }

        called.Count.ShouldBeGreaterThan(1);
    }

    [Fact]
    public async Task ToolNames_NarrowTheChoice()
    {
        var request = WithTools(1, new Tool { Name = "a" }, new Tool { Name = "b" }, new Tool { Name = "c" });
        request.ToolChoice.ToolNames.Add("b");
        DeltasOf(await ReadAsync(request))[0].Name.ShouldBe("b");
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    public async Task ToolCall_CutOff_IsNeverDone(int tools, bool isBeforeTheName)
    {
        var request = WithTools(1, [.. Enumerable.Range(0, tools).Select(i => new Tool { Name = $"tool{i}", ParametersJsonSchema = PersonSchema })]);
        request.Limits.MaxOutputTokens = 4;
        var events = await ReadAsync(request);
        events[^1].Ending!.Reason.ShouldBe(FinishReason.Length);
        DeltasOf(events).ShouldAllBe(delta => !delta.Done);
        DeltasOf(events).Count.ShouldBe(isBeforeTheName ? 0 : 4);
        events.Sum(item => item.TokenCount).ShouldBe(4);
    }

    [Fact]
    public async Task ToolChoiceNone_IsText()
    {
        var request = WithTools(1, new Tool { Name = "a" });
        request.ToolChoice.Mode = ToolChoiceMode.None;
        request.Limits.MaxOutputTokens = 5;
        var events = await ReadAsync(request);
        DeltasOf(events).ShouldBeEmpty();
        TextOf(events).ShouldNotBeEmpty();
    }

    private static GenerateRequest Request(long seed) => new()
    {
        Prompt = "Once upon a time",
        Limits = new GenerationLimits { MaxOutputTokens = 120 },
        Sampling = new SamplingOptions { Seed = seed },
    };

    private static GenerateRequest WithSchema(string schema, long seed)
    {
        var request = Request(seed);
        request.Output = new OutputOptions
        {
            ResponseFormat = new ResponseFormat { JsonSchema = new JsonSchemaFormat { JsonSchema = schema } },
        };
        return request;
    }

    private static GenerateRequest WithTools(long seed, params Tool[] tools)
    {
        var request = Request(seed);
        request.Tools.Add(tools);
        request.ToolChoice = new ToolChoice { Mode = ToolChoiceMode.Required };
        return request;
    }

    private async Task<List<BackendEvent>> ReadAsync(GenerateRequest request)
    {
        var events = new List<BackendEvent>();
        await foreach (var item in _backend.GenerateAsync(new BackendCall(request, "embedded"), Token)) events.Add(item);
        return events;
    }

    private static string TextOf(List<BackendEvent> events) => string.Concat(events.Select(item => item.Text));

    private static List<ToolCallDelta> DeltasOf(List<BackendEvent> events) =>
        [.. events.Where(item => item.ToolCall is not null).Select(item => item.ToolCall!)];

    private static string ArgumentsOf(List<ToolCallDelta> deltas) => string.Concat(deltas.Select(delta => delta.ArgumentsFragment));
}
