using GrpcLlm.V1;
using static GrpcLlm.Server.Tests.Requests.Given;

namespace GrpcLlm.Server.Tests.Requests;

public sealed class ToolRulesTests
{
    [Theory]
    [InlineData(128, true)]
    [InlineData(129, false)]
    public void Tools_Count_IsBounded(int count, bool valid) =>
        FieldsOf(Prompt(r => r.Tools.AddRange(Enumerable.Range(0, count).Select(i => new Tool { Name = $"t{i}" }))))
            .ShouldBe(valid ? [] : ["tools"]);

    [Theory]
    [InlineData("get_weather-2", true)]
    [InlineData("", false)]
    [InlineData("a.b", false)]
    [InlineData("a\n", false)]
    [InlineData("é", false)]
    public void ToolName_OfOtherForm_IsNamed(string name, bool valid) =>
        FieldsOf(Prompt(r => r.Tools.Add(new Tool { Name = name }))).ShouldBe(valid ? [] : ["tools[0].name"]);

    [Theory]
    [InlineData(64, true)]
    [InlineData(65, false)]
    public void ToolName_Length_IsBounded(int length, bool valid) =>
        FieldsOf(Prompt(r => r.Tools.Add(new Tool { Name = new string('n', length) })))
            .ShouldBe(valid ? [] : ["tools[0].name"]);

    [Fact]
    public void ToolName_Repeated_NamesTheSecond() =>
        FieldsOf(Prompt(r => r.Tools.AddRange([new Tool { Name = "t" }, new Tool { Name = "t" }])))
            .ShouldBe(["tools[1].name"]);

    [Theory]
    [InlineData("", true)]
    [InlineData("{\"type\":\"object\"}", true)]
    [InlineData("[]", false)]
    [InlineData("{,}", false)]
    public void Parameters_NotAnObject_AreNamed(string schema, bool valid) =>
        FieldsOf(Prompt(r => r.Tools.Add(new Tool { Name = "t", ParametersJsonSchema = schema })))
            .ShouldBe(valid ? [] : ["tools[0].parameters_json_schema"]);

    [Theory]
    [InlineData(ToolChoiceMode.Unspecified, true)]
    [InlineData(ToolChoiceMode.Auto, true)]
    [InlineData(ToolChoiceMode.None, true)]
    [InlineData(ToolChoiceMode.Required, false)]
    [InlineData((ToolChoiceMode)4, false)]
    public void ToolChoice_WithoutTools_MayNotRequireThem(ToolChoiceMode mode, bool valid) =>
        FieldsOf(Prompt(r => r.ToolChoice = new ToolChoice { Mode = mode })).ShouldBe(valid ? [] : ["tool_choice.mode"]);

    [Fact]
    public void ToolChoice_OfGivenTools_IsTaken() =>
        FieldsOf(Prompt(r =>
        {
            r.Tools.Add(new Tool { Name = "t" });
            r.ToolChoice = new ToolChoice { Mode = ToolChoiceMode.Required, ToolNames = { "t" } };
        })).ShouldBeEmpty();

    [Fact]
    public void ToolChoice_OfOtherTools_NamesEach() =>
        FieldsOf(Prompt(r =>
        {
            r.Tools.Add(new Tool { Name = "t" });
            r.ToolChoice = new ToolChoice { ToolNames = { "T", "t", "u" } };
        })).ShouldBe(["tool_choice.tool_names[0]", "tool_choice.tool_names[2]"]);
}
