using System.Text.Json;
using GrpcLlm.Server.Backends.Anthropic;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Anthropic;

public sealed class AnthropicModelTests
{
    [Fact]
    public void Read_WithCapabilities_TellsThem()
    {
        using var document = JsonDocument.Parse(
            """{"display_name":"X","max_input_tokens":9,"max_tokens":5,"capabilities":{"thinking":{"supported":true},"structured_outputs":{"supported":true},"image_input":{"supported":false}}}""");

        var model = AnthropicModel.Read(document.RootElement);

        (model.DisplayName, model.ContextWindow, model.MaxOutputTokens).ShouldBe(("X", 9u, 5u));
        model.Capabilities.ShouldBe(
            [ModelCapability.Conversation, ModelCapability.Tools, ModelCapability.Reasoning, ModelCapability.JsonSchema]);
        model.InputModalities.ShouldBe([Modality.Text]);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("""{"display_name":7,"max_tokens":"x","capabilities":{"thinking":true,"image_input":{"supported":"yes"}}}""")]
    public void Read_WithNothingKnown_TellsNothing(string json)
    {
        using var document = JsonDocument.Parse(json);

        var model = AnthropicModel.Read(document.RootElement);

        model.DisplayName.ShouldBeEmpty();
        model.ContextWindow.ShouldBeNull();
        model.MaxOutputTokens.ShouldBeNull();
        model.Capabilities.ShouldBe([ModelCapability.Conversation, ModelCapability.Tools]);
    }
}
