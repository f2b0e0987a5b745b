using System.Text.Json;
using System.Text.Json.Nodes;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Gemini;

namespace GrpcLlm.Server.Tests.Backends.Gemini;

/// <summary>Arguments in pieces, written as one object. JSON is written with single quotes here.</summary>
public sealed class PartialArgumentsTests
{
    // Pieces, and the object that they make.
    public static TheoryData<string[], string> Objects => new()
    {
        { ["{'jsonPath': '$.a', 'numberValue': 1.50}"], "{'a': 1.50}" },
        { ["{'jsonPath': '$.a', 'boolValue': false}", "{'jsonPath': '$.b', 'nullValue': 'NULL_VALUE'}"], "{'a': false, 'b': null}" },
        { ["{'jsonPath': '$.a', 'stringValue': ''}", "{'jsonPath': '$.b', 'stringValue': 'x'}"], "{'a': '', 'b': 'x'}" },
        {
            ["{'jsonPath': '$.a', 'stringValue': 'x', 'willContinue': true}", "{'jsonPath': '$.a', 'stringValue': 'y', 'willContinue': true}", "{'jsonPath': '$.a'}"],
            "{'a': 'xy'}"
        },
        { ["{'jsonPath': '$.a', 'stringValue': 'x', 'willContinue': true}", "{'jsonPath': '$.b', 'numberValue': 2}"], "{'a': 'x', 'b': 2}" },
        {
            ["{'jsonPath': '$.o.p.q', 'numberValue': 1}", "{'jsonPath': '$.o.p.r', 'numberValue': 2}", "{'jsonPath': '$.o.s', 'numberValue': 3}"],
            "{'o': {'p': {'q': 1, 'r': 2}, 's': 3}}"
        },
        {
            ["{'jsonPath': '$.l[0].x', 'numberValue': 1}", "{'jsonPath': '$.l[0].y', 'numberValue': 2}", "{'jsonPath': '$.l[1].x', 'numberValue': 3}", "{'jsonPath': '$.m[0][0]', 'numberValue': 4}"],
            "{'l': [{'x': 1, 'y': 2}, {'x': 3}], 'm': [[4]]}"
        },
        { ["{'jsonPath': '$[\\'a b\\']', 'stringValue': 'q'}"], "{'a b': 'q'}" },
    };

    [Theory]
    [MemberData(nameof(Objects))]
    public void Add_Pieces_MakeOneObject(string[] pieces, string expected)
    {
        var written = Write(pieces);

        JsonNode.DeepEquals(JsonNode.Parse(written), JsonNode.Parse(expected.Replace('\'', '"'))).ShouldBeTrue(written);
    }

    [Fact]
    public void Add_TextToEscape_IsValidJson()
    {
        const string Text = "\"\\\n\u0001é😀\u2028";
        var arguments = new PartialArguments();
        var json = "";
        foreach (var one in Text)
            json += Add(arguments, $$"""{"jsonPath": "$.a", "stringValue": "\u{{(int)one:x4}}", "willContinue": true}""");

        JsonNode.Parse(json + arguments.Close())!["a"]!.GetValue<string>().ShouldBe(Text);
    }

    [Fact]
    public void Close_WithoutPieces_IsNothing() => new PartialArguments().Close().ShouldBeEmpty();

    [Theory]
    [InlineData("{'jsonPath': '$.a', 'numberValue': 1}", "{'jsonPath': '$.a', 'numberValue': 2}")]
    [InlineData("{'jsonPath': '$.o.x', 'numberValue': 1}", "{'jsonPath': '$.b', 'numberValue': 2}", "{'jsonPath': '$.o.y', 'numberValue': 3}")]
    [InlineData("{'jsonPath': '$.l[1]', 'numberValue': 1}")]
    [InlineData("{'jsonPath': '$.l[0]', 'numberValue': 1}", "{'jsonPath': '$.l.x', 'numberValue': 1}")]
    [InlineData("{'jsonPath': '$[0]', 'numberValue': 1}")]
    [InlineData("{'jsonPath': '$', 'numberValue': 1}")]
    [InlineData("{'jsonPath': 'a', 'numberValue': 1}")]
    [InlineData("{'jsonPath': '$..a', 'numberValue': 1}")]
    [InlineData("{'jsonPath': '$.l[x]', 'numberValue': 1}")]
    [InlineData("{'jsonPath': '$.l[', 'numberValue': 1}")]
    [InlineData("{'jsonPath': '$[\\'a', 'numberValue': 1}")]
    [InlineData("{'numberValue': 1}")]
    [InlineData("7")]
    public void Add_PlaceThatCannotBe_IsMalformed(params string[] pieces) =>
        Should.Throw<BackendException>(() => Write(pieces)).Failure.ShouldBe(BackendFailure.Malformed);

    private static string Write(string[] pieces)
    {
        var arguments = new PartialArguments();
        return string.Concat(pieces.Select(piece => Add(arguments, piece.Replace("\\'", "\u0001", StringComparison.Ordinal)
            .Replace('\'', '"').Replace('\u0001', '\'')))) + arguments.Close();
    }

    private static string Add(PartialArguments arguments, string piece)
    {
        using var document = JsonDocument.Parse(piece);
        return arguments.Add(document.RootElement);
    }
}
