using Google.Protobuf.WellKnownTypes;
using GrpcLlm.V1;
using static GrpcLlm.Server.Tests.Requests.Given;

namespace GrpcLlm.Server.Tests.Requests;

public sealed class OutputRulesTests
{
    private const string Schema = "output.response_format.json_schema";

    [Theory]
    [InlineData(20u, true)]
    [InlineData(21u, false)]
    [InlineData(uint.MaxValue, false)]
    public void TopLogprobs_IsBounded(uint value, bool valid) =>
        FieldsOf(Prompt(r => r.Output = new OutputOptions { TopLogprobs = value }))
            .ShouldBe(valid ? [] : ["output.top_logprobs"]);

    [Theory]
    [InlineData(0, 0, true)]
    [InlineData(1, 0, true)]
    [InlineData(1, 100, false)]
    [InlineData(0, -100, false)]
    [InlineData(0, 1_000_000_000, false)]
    [InlineData(long.MaxValue, 0, false)]
    public void CoalescingDelay_OutsideZeroToOneSecond_IsRefused(long seconds, int nanos, bool valid) =>
        FieldsOf(Prompt(r => r.Output = new OutputOptions
        {
            Coalescing = new Coalescing { MaxDelay = new Duration { Seconds = seconds, Nanos = nanos } },
        })).ShouldBe(valid ? [] : ["output.coalescing.max_delay"]);

    [Fact]
    public void Coalescing_WithoutDelay_IsTaken() =>
        FieldsOf(Prompt(r => r.Output = new OutputOptions { Coalescing = new Coalescing { MaxTokens = 8 } }))
            .ShouldBeEmpty();

    [Theory]
    [InlineData("{}", "", "")]
    [InlineData("{\"type\":\"object\"}", "answer_1-A", "")]
    [InlineData("", "", Schema + ".json_schema")]
    [InlineData("true", "", Schema + ".json_schema")]
    [InlineData("{", "", Schema + ".json_schema")]
    [InlineData("{}", "two words", Schema + ".name")]
    public void JsonSchema_WrongSchemaOrName_IsNamed(string schema, string name, string field) =>
        FieldsOf(Prompt(r => r.Output = new OutputOptions
        {
            ResponseFormat = new ResponseFormat { JsonSchema = new JsonSchemaFormat { JsonSchema = schema, Name = name } },
        })).ShouldBe(field.Length == 0 ? [] : [field]);

    [Fact]
    public void OtherFormats_AreTaken()
    {
        ResponseFormat[] formats =
            [new(), new() { Text = new TextFormat() }, new() { JsonObject = new JsonObjectFormat() }];

        foreach (var format in formats)
            FieldsOf(Prompt(r => r.Output = new OutputOptions { ResponseFormat = format })).ShouldBeEmpty();
    }
}
