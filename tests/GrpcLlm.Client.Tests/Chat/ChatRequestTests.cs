using System.ComponentModel;
using System.Text.Json;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using GrpcLlm.Client.Chat;
using GrpcLlm.V1;
using Microsoft.Extensions.AI;
using AIReasoningEffort = Microsoft.Extensions.AI.ReasoningEffort;
using AIReasoningOptions = Microsoft.Extensions.AI.ReasoningOptions;
using Enum = System.Enum;
using ReasoningEffort = GrpcLlm.V1.ReasoningEffort;

namespace GrpcLlm.Client.Tests.Chat;

public sealed class ChatRequestTests
{
    [Fact]
    public void NoOptions_LeaveEverythingAbsent()
    {
        var request = Of(options: null);

        request.ShouldBe(new GenerateRequest
        {
            Model = "tiny",
            Conversation = new Conversation
            {
                Messages = { new ConversationMessage { Role = Role.User, Parts = { new ContentPart { Text = "hi" } } } },
            },
        });
        Of(new ChatOptions()).ShouldBe(request);
    }

    [Fact]
    public void Options_AllThatThereAre_AreMapped()
    {
        var request = Of(new ChatOptions
        {
            ModelId = "big",
            Instructions = "Be brief.",
            Temperature = 0.7f,
            TopP = 0.95f,
            TopK = 40,
            Seed = 7,
            PresencePenalty = -0.1f,
            FrequencyPenalty = 1.1f,
            MaxOutputTokens = 64,
            StopSequences = ["END", "STOP"],
            Reasoning = new AIReasoningOptions { Effort = AIReasoningEffort.ExtraHigh },
            ResponseFormat = ChatResponseFormat.Json,
            AllowBackgroundResponses = true,
        });

        request.Model.ShouldBe("big");
        request.Conversation.Messages[0].ShouldBe(new ConversationMessage { Role = Role.System, Parts = { new ContentPart { Text = "Be brief." } } });
        request.Sampling.ShouldBe(new SamplingOptions
        {
            Temperature = 0.7,
            TopP = 0.95,
            TopK = 40,
            Seed = 7,
            PresencePenalty = -0.1,
            FrequencyPenalty = 1.1,
        });
        request.Limits.ShouldBe(new GenerationLimits { MaxOutputTokens = 64, StopSequences = { "END", "STOP" } });
        request.Reasoning.Effort.ShouldBe(ReasoningEffort.Max);
        request.Output.ResponseFormat.FormatCase.ShouldBe(ResponseFormat.FormatOneofCase.JsonObject);
    }

    [Fact]
    public void Options_OfZero_AreValuesAndNotAbsent() =>
        Of(new ChatOptions { Temperature = 0, TopK = 0, Seed = 0 }).Sampling
            .ShouldBe(new SamplingOptions { Temperature = 0, TopK = 0, Seed = 0 });

    [Fact]
    public void ReasoningEffort_EveryName_HasItsOwn() =>
        Enum.GetValues<AIReasoningEffort>()
            .Select(effort => Of(new ChatOptions { Reasoning = new AIReasoningOptions { Effort = effort } }).Reasoning.Effort)
            .ShouldBe([ReasoningEffort.None, ReasoningEffort.Low, ReasoningEffort.Medium, ReasoningEffort.High, ReasoningEffort.Max]);

    [Fact]
    public void ResponseFormat_Text_IsText() =>
        Of(new ChatOptions { ResponseFormat = ChatResponseFormat.Text }).Output.ResponseFormat.FormatCase
            .ShouldBe(ResponseFormat.FormatOneofCase.Text);

    [Fact]
    public void ResponseFormat_OfAType_IsItsSchemaWithNameAndDescription()
    {
        var format = Of(new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema<City>() }).Output.ResponseFormat.JsonSchema;

        format.Name.ShouldBe("City");
        format.HasStrict.ShouldBeFalse();
        var schema = JsonElement.Parse(format.JsonSchema);
        schema.GetProperty("description").GetString().ShouldBe("A place.");
        schema.GetProperty("properties").GetProperty("name").GetProperty("type").GetString().ShouldBe("string");
    }

    [Fact]
    public void ResponseFormat_Schema_IsForwardedAsItIs()
    {
        const string Schema = """{ "type":"object", "maxProperties": 1.0 }""";
        var options = new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema(JsonElement.Parse(Schema), "s") };

        Of(options).Output.ResponseFormat.JsonSchema.ShouldBe(new JsonSchemaFormat { JsonSchema = Schema, Name = "s" });

        options.AdditionalProperties = new AdditionalPropertiesDictionary { ["strictJsonSchema"] = true };
        Of(options).Output.ResponseFormat.JsonSchema.Strict.ShouldBeTrue();
    }

    [Fact]
    public void Tools_Functions_AreDeclared()
    {
        var options = new ChatOptions
        {
            Tools =
            [
                AIFunctionFactory.Create(([Description("Where.")] string city) => city.Length, "weather", "Tells the weather."),
                AIFunctionFactory.CreateDeclaration("plain", null, JsonElement.Parse("""{"type":"object"}""")),
                AIFunctionFactory.Create(() => 1, new AIFunctionFactoryOptions
                {
                    Name = "exact",
                    AdditionalProperties = new Dictionary<string, object?>(StringComparer.Ordinal) { ["strictJsonSchema"] = true, ["note"] = "ours" },
                }),
            ],
            ToolMode = ChatToolMode.RequireSpecific("weather"),
            AllowMultipleToolCalls = false,
        };

        var request = Of(options);

        request.Tools.Select(tool => tool.Name).ShouldBe(["weather", "plain", "exact"]);
        request.Tools[0].Description.ShouldBe("Tells the weather.");
        JsonElement.Parse(request.Tools[0].ParametersJsonSchema).GetProperty("properties").GetProperty("city")
            .GetProperty("description").GetString().ShouldBe("Where.");
        request.Tools[0].HasStrict.ShouldBeFalse();
        request.Tools[1].ParametersJsonSchema.ShouldBe("""{"type":"object"}""");
        request.Tools[2].Strict.ShouldBeTrue();
        request.ToolChoice.ShouldBe(new ToolChoice { Mode = ToolChoiceMode.Required, ToolNames = { "weather" }, ParallelToolCalls = false });
    }

    [Fact]
    public void ToolMode_EveryOne_IsMapped() =>
        new ChatToolMode[] { ChatToolMode.Auto, ChatToolMode.None, ChatToolMode.RequireAny }
            .Select(mode => Of(new ChatOptions { ToolMode = mode }).ToolChoice)
            .ShouldBe([
                new ToolChoice { Mode = ToolChoiceMode.Auto },
                new ToolChoice { Mode = ToolChoiceMode.None },
                new ToolChoice { Mode = ToolChoiceMode.Required },
            ]);

    [Fact]
    public void AdditionalProperties_ReachTheRestOfTheContract()
    {
        var request = Of(new ChatOptions
        {
            Temperature = 1,
            AdditionalProperties = new AdditionalPropertiesDictionary
            {
                ["sampling.min_p"] = 0.05f,
                ["sampling.temperature"] = 0.2,
                ["sampling.logit_bias"] = new Dictionary<string, double>(StringComparer.Ordinal) { ["17"] = -100 },
                ["limits.time_budget"] = TimeSpan.FromSeconds(1.5),
                ["limits.min_output_tokens"] = 3,
                ["output.logprobs"] = true,
                ["output.top_logprobs"] = JsonElement.Parse("2"),
                ["cache_policy"] = "CACHE_POLICY_BYPASS",
                ["labels"] = new Dictionary<string, string>(StringComparer.Ordinal) { ["team"] = "search" },
                ["labels.app"] = "shop",
                ["end_user_id"] = "u1",
                ["request_id"] = "mine",
                ["reasoning.budget_tokens"] = 100L,
                ["tool_choice.mode"] = null,
            },
        });

        request.Sampling.ShouldBe(new SamplingOptions { Temperature = 0.2, MinP = 0.05, LogitBias = { [17] = -100 } });
        request.Limits.ShouldBe(new GenerationLimits { TimeBudget = Duration.FromTimeSpan(TimeSpan.FromSeconds(1.5)), MinOutputTokens = 3 });
        request.Output.ShouldBe(new OutputOptions { Logprobs = true, TopLogprobs = 2 });
        request.CachePolicy.ShouldBe(CachePolicy.Bypass);
        request.Labels["team"].ShouldBe("search");
        request.Labels["app"].ShouldBe("shop");
        request.EndUserId.ShouldBe("u1");
        request.RequestId.ShouldBe("mine");
        request.Reasoning.BudgetTokens.ShouldBe(100u);
        request.ToolChoice.ShouldBeNull();
    }

    [Fact]
    public void RawRepresentationFactory_Request_IsWhereItStarts()
    {
        var raw = new GenerateRequest { EndUserId = "u1", Model = "raw", Sampling = new SamplingOptions { MinP = 0.1, Temperature = 2 } };
        using var client = new NoClient();

        var request = ChatRequest.Of(client, [new(ChatRole.User, "hi")], new ChatOptions { Temperature = 0, RawRepresentationFactory = _ => raw }, "tiny");

        request.EndUserId.ShouldBe("u1");
        request.Model.ShouldBe("raw");
        request.Sampling.ShouldBe(new SamplingOptions { MinP = 0.1, Temperature = 0 });
        raw.Sampling.Temperature.ShouldBe(2);
        raw.Conversation.ShouldBeNull();
    }

    public static TheoryData<string, ChatOptions> WithoutAPlace => new()
    {
        { "options.ConversationId", new ChatOptions { ConversationId = "c" } },
#pragma warning disable MEAI001 // Told by name that it is not served, for as long as it exists.
        { "options.ContinuationToken", new ChatOptions { ContinuationToken = ResponseContinuationToken.FromBytes(new byte[] { 1 }) } },
#pragma warning restore MEAI001
        { "options.TopK", new ChatOptions { TopK = -1 } },
        { "options.MaxOutputTokens", new ChatOptions { MaxOutputTokens = -1 } },
        { "options.Reasoning.Output", new ChatOptions { Reasoning = new AIReasoningOptions { Output = ReasoningOutput.Full } } },
        { "options.Tools[1]", new ChatOptions { Tools = [AIFunctionFactory.Create(() => 1, "f"), new HostedWebSearchTool()] } },
        { "options.RawRepresentationFactory", new ChatOptions { RawRepresentationFactory = _ => "another client's" } },
        { "options.AdditionalProperties[top_a]", With("top_a", 1) },
        { "options.AdditionalProperties[sampling.min_p]", With("sampling.min_p", "much") },
        { "options.AdditionalProperties[sampling.min_p.x]", With("sampling.min_p.x", 1) },
        { "options.AdditionalProperties[limits.time_budget]", With("limits.time_budget", "soon") },
        { "options.AdditionalProperties[prompt]", With("prompt", "hi") },
        { "options.AdditionalProperties[conversation.messages]", With("conversation.messages", Array.Empty<int>()) },
        { "options.AdditionalProperties[]", With("", 1) },
        { "options.AdditionalProperties[strictJsonSchema]", With("strictJsonSchema", true) },
        { "options.AdditionalProperties[strictJsonSchema]", With("strictJsonSchema", "yes") },
    };

    [Theory]
    [MemberData(nameof(WithoutAPlace), DisableDiscoveryEnumeration = true)]
    public void Options_WithoutAPlaceInTheContract_AreRefusedByName(string path, ChatOptions options)
    {
        var refusal = Should.Throw<GenerationException>(() => Of(options));

        refusal.Violations.Single().Field.ShouldBe(path);
        refusal.Message.ShouldContain(path);
        refusal.Reason.ShouldBe(ErrorReason.InvalidRequest);
        refusal.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        refusal.RetrySafe.ShouldBeFalse();
    }

    [Fact]
    public void Refusals_AreToldAllAtOnce()
    {
        var options = new ChatOptions { ConversationId = "c", TopK = -1, Tools = [new HostedWebSearchTool()] };

        Should.Throw<GenerationException>(() => Of(options, new ChatMessage(new ChatRole("critic"), "no")))
            .Violations.Select(violation => violation.Field)
            .ShouldBe(["messages[0].role", "options.ConversationId", "options.TopK", "options.Tools[0]"]);
    }

    private static ChatOptions With(string key, object value) =>
        new() { AdditionalProperties = new AdditionalPropertiesDictionary { [key] = value } };

    private static GenerateRequest Of(ChatOptions? options, params ChatMessage[] messages)
    {
        using var client = new NoClient();
        return ChatRequest.Of(client, messages.Length > 0 ? messages : [new ChatMessage(ChatRole.User, "hi")], options, "tiny");
    }

    [Description("A place.")]
    private sealed record City(string Name);

    /// <summary>Somebody who asks.</summary>
    private sealed class NoClient : IChatClient
    {
        public Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        public object? GetService(System.Type serviceType, object? serviceKey = null) => null;

        public void Dispose() { }
    }
}
