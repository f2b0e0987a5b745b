using Google.Protobuf.WellKnownTypes;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;
using static GrpcLlm.Server.Tests.Requests.Given;

namespace GrpcLlm.Server.Tests.Requests;

public sealed class RequestValidatorTests
{
    [Fact]
    public void Validate_Minimal_GivesTheMessageItself()
    {
        var request = Prompt();

        RequestValidator.Validate(Received<GenerateRequest>.Read(request, 3)).ShouldBeSameAs(request);
    }

    [Theory]
    [InlineData("a")]
    [InlineData("A-Za-z0-9._:~-")]
    [InlineData("")]
    public void RequestId_OfTheAlphabet_IsTaken(string id) => FieldsOf(Prompt(r => r.RequestId = id)).ShouldBeEmpty();

    [Theory]
    [InlineData(128, true)]
    [InlineData(129, false)]
    public void RequestId_Length_IsBounded(int length, bool valid) =>
        FieldsOf(Prompt(r => r.RequestId = new string('x', length))).ShouldBe(valid ? [] : ["request_id"]);

    [Theory]
    [InlineData("a b")]
    [InlineData("a\n")]
    [InlineData("a/b")]
    [InlineData("ä")]
    [InlineData("a%")]
    [InlineData("\u0661")]
    public void RequestId_OfOtherCharacters_IsRefused(string id) =>
        FieldsOf(Prompt(r => r.RequestId = id)).ShouldBe(["request_id"]);

    [Fact]
    public void Input_Missing_IsNamed() => FieldsOf(new GenerateRequest()).ShouldBe(["input"]);

    [Fact]
    public void Prompt_Empty_IsRefused() => FieldsOf(new GenerateRequest { Prompt = "" }).ShouldBe(["prompt"]);

    [Theory]
    [InlineData(128, true)]
    [InlineData(129, false)]
    public void EndUserId_Length_IsBounded(int length, bool valid) =>
        FieldsOf(Prompt(r => r.EndUserId = new string('u', length))).ShouldBe(valid ? [] : ["end_user_id"]);

    [Fact]
    public void ResumeAfter_EvenZero_IsNotServed() =>
        FieldsOf(Prompt(r => r.ResumeAfter = 0)).ShouldBe(["resume_after"]);

    [Theory]
    [InlineData(OnDisconnect.Unspecified, true)]
    [InlineData(OnDisconnect.Cancel, true)]
    [InlineData(OnDisconnect.Continue, false)]
    [InlineData((OnDisconnect)99, false)]
    [InlineData((OnDisconnect)(-1), false)]
    public void OnDisconnect_OtherThanCancel_IsRefused(OnDisconnect value, bool valid) =>
        FieldsOf(Prompt(r => r.OnDisconnect = value)).ShouldBe(valid ? [] : ["on_disconnect"]);

    [Theory]
    [InlineData(CachePolicy.Unspecified, true)]
    [InlineData(CachePolicy.Default, true)]
    [InlineData(CachePolicy.Bypass, true)]
    [InlineData(CachePolicy.Refresh, false)]
    [InlineData(CachePolicy.Only, false)]
    [InlineData((CachePolicy)99, false)]
    public void CachePolicy_OtherThanDefaultAndBypass_IsRefused(CachePolicy value, bool valid) =>
        FieldsOf(Prompt(r => r.CachePolicy = value)).ShouldBe(valid ? [] : ["cache_policy"]);

    [Theory]
    [InlineData(ReasoningEffort.Max, true)]
    [InlineData((ReasoningEffort)7, false)]
    public void ReasoningEffort_Unknown_IsRefused(ReasoningEffort value, bool valid) =>
        FieldsOf(Prompt(r => r.Reasoning = new ReasoningOptions { Effort = value }))
            .ShouldBe(valid ? [] : ["reasoning.effort"]);

    [Theory]
    [InlineData(16, true)]
    [InlineData(17, false)]
    public void Labels_Count_IsBounded(int count, bool valid)
    {
        var request = Prompt();
        for (var index = 0; index < count; index++) request.Labels[$"k{index}"] = "v";

        FieldsOf(request).ShouldBe(valid ? [] : ["labels"]);
    }

    [Theory]
    [InlineData("team", true)]
    [InlineData("a_b.c-9", true)]
    [InlineData("", false)]
    [InlineData("Team", false)]
    [InlineData("9a", false)]
    [InlineData("a b", false)]
    [InlineData("a\n", false)]
    public void LabelKey_OfOtherForm_IsNamed(string key, bool valid) =>
        FieldsOf(Prompt(r => r.Labels[key] = "v")).Count.ShouldBe(valid ? 0 : 1);

    [Theory]
    [InlineData(63, true)]
    [InlineData(64, false)]
    public void LabelKey_Length_IsBounded(int length, bool valid)
    {
        var key = new string('k', length);

        FieldsOf(Prompt(r => r.Labels[key] = "v")).ShouldBe(valid ? [] : [$"labels[{key}]"]);
    }

    [Fact]
    public void LabelKey_Hostile_IsShownShortAndPrintable()
    {
        var key = "\r\n\u0000" + new string('X', 5000);

        FieldsOf(Prompt(r => r.Labels[key] = "v")).ShouldBe([$"labels[???{new string('X', 61)}…]"]);
    }

    [Theory]
    [InlineData("é", 128, true)]
    [InlineData("é", 129, false)]
    [InlineData("v", 256, true)]
    [InlineData("v", 257, false)]
    public void LabelValue_Bytes_AreBounded(string text, int times, bool valid) =>
        FieldsOf(Prompt(r => r.Labels["k"] = string.Concat(Enumerable.Repeat(text, times))))
            .ShouldBe(valid ? [] : ["labels[k]"]);

    [Theory]
    [InlineData("openai", "{\"a\":1}", true)]
    [InlineData("ollama", "{}", true)]
    [InlineData("OpenAI", "{}", false)]
    [InlineData("", "{}", false)]
    [InlineData("openai", "", false)]
    [InlineData("openai", "[1]", false)]
    [InlineData("openai", "{\"a\":1} x", false)]
    public void ProviderOptions_OtherKindOrForm_AreNamed(string kind, string json, bool valid) =>
        FieldsOf(Prompt(r => r.ProviderOptionsJson[kind] = json))
            .ShouldBe(valid ? [] : [$"provider_options_json[{kind}]"]);

    [Fact]
    public void Validate_ManyFaults_TellsAllAtOnce()
    {
        var request = new GenerateRequest
        {
            RequestId = "bad id",
            Prompt = "",
            Sampling = new SamplingOptions { Temperature = double.NaN, TopP = 0 },
            Limits = new GenerationLimits { MaxOutputTokens = 0, TimeBudget = new Duration(), StopSequences = { "" } },
            Output = new OutputOptions { TopLogprobs = 21 },
            Tools = { new Tool { Name = "no spaces" } },
            ToolChoice = new ToolChoice { ToolNames = { "other" } },
            OnDisconnect = OnDisconnect.Continue,
            CachePolicy = CachePolicy.Only,
            ResumeAfter = 1,
            EndUserId = new string('u', 129),
        };

        FieldsOf(request).ShouldBe(
            [
                "request_id", "prompt", "sampling.temperature", "sampling.top_p", "limits.max_output_tokens",
                "limits.stop_sequences[0]", "limits.time_budget", "output.top_logprobs", "tools[0].name",
                "tool_choice.tool_names[0]", "resume_after", "on_disconnect", "cache_policy", "end_user_id",
            ],
            ignoreOrder: true);
    }

    [Fact]
    public void Validate_Unreadable_NamesTheFieldAndFault()
    {
        var failure = Should.Throw<CallFailureException>(() =>
            RequestValidator.Validate(Received<GenerateRequest>.Unreadable("prompt", "must be valid UTF-8", 9)));

        failure.Reason.ShouldBe(ErrorReason.InvalidRequest);
        failure.Violations.ShouldBe([new Violation("prompt", "must be valid UTF-8")]);
        failure.Message.ShouldBe("prompt: must be valid UTF-8");
    }

    [Fact]
    public void Message_OfManyFaults_TellsTheFirstAndHowManyMore() =>
        Should.Throw<CallFailureException>(() => RequestValidator.Validate(Received<GenerateRequest>.Read(
                new GenerateRequest { RequestId = "é", ResumeAfter = 1 }, 0)))
            .Message.ShouldBe("request_id: must be 1 to 128 characters of [A-Za-z0-9._:~-] (and 2 more)");

    [Fact]
    public void CountTokens_Valid_BecomesTheGenerationItWouldBe()
    {
        var count = new CountTokensRequest
        {
            Model = "m", Prompt = "p", Output = new OutputOptions { Logprobs = true }, Tools = { new Tool { Name = "t" } },
        };

        RequestValidator.Validate(Received<CountTokensRequest>.Read(count, 0)).ShouldBe(new GenerateRequest
        {
            Model = "m", Prompt = "p", Output = new OutputOptions { Logprobs = true }, Tools = { new Tool { Name = "t" } },
        });
    }

    [Fact]
    public void CountTokens_Faults_AreNamedAsInAGeneration()
    {
        var count = new CountTokensRequest { Output = new OutputOptions { TopLogprobs = 99 }, Tools = { new Tool() } };

        var failure = Should.Throw<CallFailureException>(
            () => RequestValidator.Validate(Received<CountTokensRequest>.Read(count, 0)));

        failure.Violations.Select(static one => one.Field)
            .ShouldBe(["input", "output.top_logprobs", "tools[0].name"], ignoreOrder: true);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    public void CancelGeneration_NameMissingOrWrong_IsRefused(string id) =>
        Should.Throw<CallFailureException>(() => RequestValidator.Validate(
                Received<CancelGenerationRequest>.Read(new CancelGenerationRequest { RequestId = id }, 0)))
            .Violations.Select(static one => one.Field).ShouldBe(["request_id"]);

    [Fact]
    public void CancelGeneration_Name_IsGiven() =>
        RequestValidator.Validate(
            Received<CancelGenerationRequest>.Read(new CancelGenerationRequest { RequestId = "x" }, 0)).ShouldBe("x");
}
