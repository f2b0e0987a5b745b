using System.Text.Json;
using Google.Rpc;
using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests;

/// <summary>JSON and forced tool calls of the embedded model, over real sockets.</summary>
public sealed class StructuredOutputTests
{
    private const string Schema =
        """
        {
          "type": "object",
          "properties": {
            "title": { "type": "string", "minLength": 1, "maxLength": 30 },
            "mood": { "enum": ["merry", "grim"] },
            "pages": { "type": "integer", "minimum": 1, "maximum": 400 },
            "heroes": { "type": "array", "items": { "type": "string", "maxLength": 12 }, "minItems": 1, "maxItems": 3 }
          },
          "required": ["title", "mood", "pages", "heroes"],
          "additionalProperties": false
        }
        """;

    [Fact]
    public async Task JsonSchema_StreamsADocumentThatMatchesAndStops()
    {
        await using var server = await LlmServer.StartAsync();

        var answer = await Answer.OfAsync(server, WithFormat(new ResponseFormat { JsonSchema = new JsonSchemaFormat { JsonSchema = Schema } }));

        answer.Finish.Reason.ShouldBe(FinishReason.Stop);
        answer.Finish.BackendFinishReason.ShouldBe("complete");
        answer.Finish.Usage.OutputTokens.ShouldBe(answer.Finish.StreamedTokens);
        answer.Chunks.Count(chunk => chunk.Text.Length > 0).ShouldBeGreaterThan(5);
        var book = JsonElement.Parse(answer.Text);
        book.EnumerateObject().Select(property => property.Name).ShouldBe(["title", "mood", "pages", "heroes"]);
        book.GetProperty("title").GetString()!.EnumerateRunes().Count().ShouldBeInRange(1, 30);
        book.GetProperty("mood").GetString().ShouldBeOneOf("merry", "grim");
        book.GetProperty("pages").GetInt32().ShouldBeInRange(1, 400);
        book.GetProperty("heroes").GetArrayLength().ShouldBeInRange(1, 3);
    }

    [Fact]
    public async Task JsonObject_StreamsAnObjectAndStops()
    {
        await using var server = await LlmServer.StartAsync();

        var answer = await Answer.OfAsync(server, WithFormat(new ResponseFormat { JsonObject = new JsonObjectFormat() }));

        answer.Finish.Reason.ShouldBe(FinishReason.Stop);
        JsonElement.Parse(answer.Text).ValueKind.ShouldBe(JsonValueKind.Object);
    }

    [Fact]
    public async Task JsonSchema_Cut_IsLengthAndNothingElse()
    {
        await using var server = await LlmServer.StartAsync();
        var request = WithFormat(new ResponseFormat { JsonSchema = new JsonSchemaFormat { JsonSchema = Schema } });
        request.Limits.MaxOutputTokens = 5;

        var answer = await Answer.OfAsync(server, request);

        answer.Finish.Reason.ShouldBe(FinishReason.Length);
        answer.Finish.Usage.OutputTokens.ShouldBe(5u);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task RequiredTool_IsCalledByTheRulesOfTheStream(int tools)
    {
        await using var server = await LlmServer.StartAsync();
        var request = Request();
        for (var i = 0; i < tools; i++) request.Tools.Add(new Tool { Name = $"tell_{i}", ParametersJsonSchema = Schema });
        request.ToolChoice = new ToolChoice { Mode = ToolChoiceMode.Required };

        var answer = await Answer.OfAsync(server, request);

        answer.Finish.Reason.ShouldBe(FinishReason.ToolCalls);
        answer.Trailer("finish-reason").ShouldBe("tool_calls");
        answer.Text.ShouldBeEmpty();
        var deltas = answer.Chunks.Where(chunk => chunk.ToolCall is not null).Select(chunk => chunk.ToolCall).ToList();
        answer.Chunks[0].ToolCall.ShouldBe(deltas[0]);
        deltas[0].Name.ShouldStartWith("tell_");
        deltas[0].Id.Length.ShouldBe(9);
        deltas.Skip(1).ShouldAllBe(delta => delta.Id.Length == 0 && delta.Name.Length == 0 && delta.Index == 0);
        deltas[^1].Done.ShouldBeTrue();
        var arguments = JsonElement.Parse(string.Concat(deltas.Select(delta => delta.ArgumentsFragment)));
        arguments.GetProperty("mood").GetString().ShouldBeOneOf("merry", "grim");
        answer.Chunks.Sum(chunk => chunk.TokenCount).ShouldBe(answer.Finish.Usage.OutputTokens);
        answer.Chunks.Sum(chunk => chunk.TokenGapsUs.Count).ShouldBe((int)answer.Finish.Usage.OutputTokens);
    }

    [Fact]
    public async Task WhatCannotBeKept_IsRefusedWithThePlaceInTheSchema()
    {
        await using var server = await LlmServer.StartAsync();
        var request = WithFormat(new ResponseFormat
        {
            JsonSchema = new JsonSchemaFormat { JsonSchema = """{"properties":{"a":{"not":{}},"b":{"pattern":"(?=x)"}}}""" },
        });

        var answer = await Answer.OfAsync(server, request);

        answer.Reason.ShouldBe("INVALID_REQUEST");
        answer.Detail<BadRequest>().FieldViolations.Select(violation => violation.Field).ShouldBe(
        [
            "output.response_format.json_schema.json_schema#/properties/a/not",
            "output.response_format.json_schema.json_schema#/properties/b/pattern",
        ]);
    }

    [Fact]
    public async Task ToolsWithoutForce_AreRefusedByName()
    {
        await using var server = await LlmServer.StartAsync();
        var request = Request();
        request.Tools.Add(new Tool { Name = "tell" });

        var answer = await Answer.OfAsync(server, request);

        answer.Reason.ShouldBe("INVALID_REQUEST");
        var violation = answer.Detail<BadRequest>().FieldViolations.ShouldHaveSingleItem();
        violation.Field.ShouldBe("tools");
        violation.Description.ShouldContain("TOOL_CHOICE_MODE_REQUIRED");
    }

    private static GenerateRequest Request() => new()
    {
        Prompt = "Once upon a time",
        Sampling = new SamplingOptions { Seed = 7 },
        Limits = new GenerationLimits { MaxOutputTokens = 250 },
    };

    private static GenerateRequest WithFormat(ResponseFormat format)
    {
        var request = Request();
        request.Output = new OutputOptions { ResponseFormat = format };
        return request;
    }
}
