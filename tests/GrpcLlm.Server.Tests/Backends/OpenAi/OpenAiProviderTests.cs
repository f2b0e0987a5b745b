using System.Text.Json;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.OpenAi;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.OpenAi;

/// <summary>Where a request goes, with which credentials, and what is refused before it goes.</summary>
public sealed class OpenAiProviderTests
{
    [Theory]
    [InlineData("https://api.openai.com/v1", "", "chat/completions")]
    [InlineData("https://r.openai.azure.com", "2024-10-21", "openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21")]
    [InlineData("https://r.openai.azure.com/openai/", "2024-10-21", "deployments/my%20gpt/chat/completions?api-version=2024-10-21")]
    [InlineData("https://r.openai.azure.com/openai/deployments/d", "2024-10-21", "chat/completions?api-version=2024-10-21")]
    [InlineData("https://r.openai.azure.com/openai/v1/", "preview", "chat/completions?api-version=preview")]
    public void GeneratePath_FormOfTheUrl_FollowsTheVersion(string baseUrl, string version, string expected)
    {
        var provider = new OpenAiProvider(new OpenAiOptions { BaseUrl = baseUrl, ApiVersion = version });

        provider.GeneratePath(new BackendCall(new GenerateRequest(), "my gpt")).ShouldBe(expected);
    }

    [Theory]
    [InlineData("", "", "Authorization", "Bearer k")]
    [InlineData("2024-10-21", "", "api-key", "k")]
    [InlineData("", "Ocp-Apim-Subscription-Key", "Ocp-Apim-Subscription-Key", "k")]
    public void Authorize_Key_GoesIntoTheHeaderOfTheForm(string version, string keyHeader, string header, string value)
    {
        using var request = new HttpRequestMessage();

        new OpenAiProvider(new OpenAiOptions { ApiVersion = version, ApiKeyHeader = keyHeader }).Authorize(request, "k");

        request.Headers.ShouldHaveSingleItem().Key.ShouldBe(header);
        request.Headers.GetValues(header).ShouldBe([value]);
    }

    [Fact]
    public void AddHeaders_OrganizationAndProject_AreSentWhereSet()
    {
        using var request = new HttpRequestMessage();
        using var bare = new HttpRequestMessage();

        new OpenAiProvider(new OpenAiOptions { Organization = "org-1", Project = "proj-1" }).AddHeaders(request);
        new OpenAiProvider(new OpenAiOptions()).AddHeaders(bare);

        request.Headers.GetValues("OpenAI-Organization").ShouldBe(["org-1"]);
        request.Headers.GetValues("OpenAI-Project").ShouldBe(["proj-1"]);
        bare.Headers.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("'sampling': {'topK': 40}", "sampling.top_k")]
    [InlineData("'sampling': {'minP': 0.1}", "sampling.min_p")]
    [InlineData("'sampling': {'repetitionPenalty': 1}", "sampling.repetition_penalty")]
    [InlineData("'limits': {'minOutputTokens': 1}", "limits.min_output_tokens")]
    [InlineData("'output': {'tokenIds': true}", "output.token_ids")]
    [InlineData("'reasoning': {'budgetTokens': 100}", "reasoning.budget_tokens")]
    [InlineData("'reasoning': {'budgetTokens': 0, 'effort': 'REASONING_EFFORT_HIGH'}", "reasoning.budget_tokens")]
    [InlineData(
        "'conversation': {'messages': [{'role': 'ROLE_TOOL', 'parts': [{'toolResult': {'parts': [{'text': 'a'}, {'image': {}}]}}]}]}",
        "conversation.messages[0].parts[0].tool_result.parts[1].image")]
    public void FindUnsupported_FieldThatCannotBeHonoured_IsNamed(string members, string field) =>
        Find(members, new OpenAiOptions()).ShouldHaveSingleItem().Field.ShouldBe(field);

    [Theory]
    [InlineData("'sampling': {'topK': 40, 'minP': 0.1, 'repetitionPenalty': 1}, 'limits': {'minOutputTokens': 1}")]
    [InlineData("'sampling': {'temperature': 1, 'topP': 1, 'seed': 1, 'logitBias': {'1': 1}}, 'reasoning': {'budgetTokens': 0}")]
    [InlineData("'output': {'topLogprobs': 3, 'responseFormat': {'jsonObject': {}}}, 'tools': [{'name': 't'}]")]
    [InlineData("'conversation': {'messages': [{'role': 'ROLE_USER', 'parts': [{'image': {'url': 'https://e.example/i'}}]}]}")]
    public void FindUnsupported_FieldsThatTheServerTakes_AreNotNamed(string members) =>
        Find(members, new OpenAiOptions { ExtendedSampling = true }).ShouldBeEmpty();

    [Theory]
    [InlineData("{'data': [{'id': 'a'}, {'id': 'm', 'owned_by': 'vllm', 'max_model_len': 4096}]}", "vllm", 4096u, null)]
    [InlineData("{'data': [{'id': 'm', 'name': 'M', 'context_length': 9, 'top_provider': {'max_completion_tokens': 5}}]}", "", 9u, 5u)]
    [InlineData("[{'id': 'm', 'context_window': 8, 'max_completion_tokens': 4}]", "", 8u, 4u)]
    [InlineData("{'data': [{'id': 'm', 'owned_by': 1, 'max_context_length': 'x'}]}", "", null, null)]
    public void ModelList_OfAnyServer_TellsWhatItHolds(string json, string owner, uint? window, uint? most)
    {
        using var document = JsonDocument.Parse(json.Replace('\'', '"'));

        var model = OpenAiModelList.Find(document.RootElement, "m").ShouldNotBeNull();

        model.Owner.ShouldBe(owner);
        model.ContextWindow.ShouldBe(window);
        model.MaxOutputTokens.ShouldBe(most);
    }

    [Theory]
    [InlineData("{'data': [{'id': 'other'}, 7]}")]
    [InlineData("{'data': 3}")]
    [InlineData("'text'")]
    public void ModelList_WithoutTheModel_TellsNothing(string json)
    {
        using var document = JsonDocument.Parse(json.Replace('\'', '"'));

        OpenAiModelList.Find(document.RootElement, "m").ShouldBeNull();
    }

    private static Violations Find(string members, OpenAiOptions options)
    {
        var violations = new Violations();
        new OpenAiProvider(options).FindUnsupported(OpenAiRequestTests.Parse($"{{{members}}}"), "m", violations);
        return violations;
    }
}
