using System.Text;
using GrpcLlm.Server.Backends.Embedded.Structured;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Structured;

/// <summary>What is refused, with its place; and that no schema takes long to be refused.</summary>
public sealed class SchemaRefusalTests
{
    [Theory]
    [InlineData("""{"not":{}}""", "#/not", "is not a supported keyword")]
    [InlineData("""{"properties":{"a/b":{"items":{"if":{}}}}}""", "#/properties/a~1b/items/if", "is not a supported keyword")]
    [InlineData("""{"uniqueItems":true}""", "#/uniqueItems", "is not a supported keyword")]
    [InlineData("""{"properties":{"a":{"$id":"b"}}}""", "#/properties/a/$id", "is not a supported keyword")]
    [InlineData("""{"type":"text"}""", "#/type", "must be the name of a type")]
    [InlineData("""{"properties":[]}""", "#/properties", "must be an object")]
    [InlineData("""{"items":3}""", "#/items", "must be a schema")]
    [InlineData("""{"required":"a"}""", "#/required", "must be an array")]
    [InlineData("""{"maxLength":-1}""", "#/maxLength", "must be a whole number from 0")]
    [InlineData("""{"minimum":"1"}""", "#/minimum", "must be a number")]
    [InlineData("""{"minimum":0.12345678901234567}""", "#/minimum", "must have at most 15 digits")]
    [InlineData("""{"multipleOf":0.3}""", "#/multipleOf", "must be a whole number from 1 to 100")]
    [InlineData("""{"multipleOf":101}""", "#/multipleOf", "must be a whole number from 1 to 100")]
    [InlineData("""{"multipleOf":0}""", "#/multipleOf", "must be a whole number from 1 to 100")]
    [InlineData("""{"enum":[1],"minimum":0}""", "#/minimum", "is not supported beside 'enum'")]
    [InlineData("""{"minimum":0,"enum":[1]}""", "#/enum", "is not supported beside 'minimum'")]
    [InlineData("""{"$ref":"#/$defs/a"}""", "#/$ref", "must be '#' or '#/…' and name a place")]
    [InlineData("""{"$ref":"other.json"}""", "#/$ref", "must be '#' or '#/…' and name a place")]
    [InlineData("""{"allOf":[{},{}]}""", "#/allOf", "is supported with one schema only")]
    [InlineData("""{"anyOf":[]}""", "#/anyOf", "must be an array of schemas")]
    [InlineData("""{"oneOf":[{"type":"integer"},{"type":"number"}]}""", "#/oneOf", "has branches that do not surely exclude")]
    [InlineData("""{"properties":{"a":{}},"minProperties":1}""", "#/minProperties", "is not supported beside 'properties'")]
    [InlineData("""{"minProperties":65}""", "#/minProperties", "must be at most 64")]
    [InlineData("""{"format":"email"}""", "#/format", "is not supported: there are date,")]
    [InlineData("""{"format":"date","pattern":"a"}""", "#/pattern", "is not supported: 'pattern' and 'format'")]
    [InlineData("""{"pattern":"(?=a)"}""", "#/pattern", "has look-around or a named group")]
    [InlineData("""{"pattern":"(a)\\1"}""", "#/pattern", "has '\\1', which is not supported")]
    [InlineData("""{"pattern":"\\bword"}""", "#/pattern", "has '\\b', which is not supported")]
    [InlineData("""{"pattern":"a^b"}""", "#/pattern", "has '^' or '$' elsewhere")]
    [InlineData("""{"pattern":"(a"}""", "#/pattern", "has a '(' without its ')'")]
    [InlineData("""{"pattern":"a)"}""", "#/pattern", "has a ')' without its '('")]
    [InlineData("""{"pattern":"[a"}""", "#/pattern", "has a '[' without its ']'")]
    [InlineData("""{"pattern":"a**"}""", "#/pattern", "repeats a repetition")]
    [InlineData("""{"pattern":"a{2,1}"}""", "#/pattern", "has a '{' that begins no number")]
    [InlineData("""{"pattern":"*"}""", "#/pattern", "has a '*' that stands alone")]
    [InlineData("""{"type":"string","minLength":3,"maxLength":2}""", "#", "matches no document")]
    [InlineData("""{"type":"integer","minimum":3,"maximum":2}""", "#", "matches no document")]
    [InlineData("""{"type":"integer","minimum":1e15}""", "#", "matches no document")]
    [InlineData("""{"enum":[]}""", "#", "matches no document")]
    [InlineData("""{"$ref":"#"}""", "#", "matches no document")]
    [InlineData("""{"type":"array","items":{"$ref":"#"},"minItems":1}""", "#", "matches no document")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"null"}},"required":["a","b"],"additionalProperties":false}""", "#", "matches no document")]
    [InlineData("""{"type":"string","pattern":"^a$","minLength":2}""", "#", "matches no document")]
    [InlineData("""{"const":"\uD800"}""", "#", "holds half of a surrogate pair")]
    [InlineData("""{"type":"null","type":"null"}""", "#", "is no JSON, or names a property twice")]
    public void Schema_BeyondWhatIsSupported_IsRefusedWithItsPlace(string schema, string place, string message)
    {
        StructuredRun.TryCompile(schema, out var problems).ShouldBeNull();
        problems.ShouldHaveSingleItem().Pointer.ShouldBe(place);
        problems[0].Message.ShouldStartWith(message);
    }

    [Fact]
    public void Schema_WithSeveralFaults_NamesAll()
    {
        StructuredRun.TryCompile("""{"properties":{"a":{"not":{}},"b":{"type":"x"}},"contains":{}}""", out var problems);
        problems.Select(problem => problem.Pointer).ShouldBe(["#/contains", "#/properties/a/not", "#/properties/b/type"], ignoreOrder: true);
    }

    [Theory]
    [InlineData("title")]
    [InlineData("description")]
    [InlineData("default")]
    [InlineData("examples")]
    [InlineData("$comment")]
    [InlineData("deprecated")]
    [InlineData("readOnly")]
    [InlineData("writeOnly")]
    [InlineData("$schema")]
    [InlineData("$id")]
    public void Annotation_IsIgnored(string keyword) =>
        StructuredRun.Accepts($$"""{"type":"null","{{keyword}}":"minimum"}""", "null").ShouldBeTrue();

    // Whether it is refused matters less than that it is done with in bounded work: the limits count it, no clock does.
    public static TheoryData<string, string> Hostile => new()
    {
        { "a pattern that explodes when determinised", """{"pattern":"^(a|b)*a(a|b){14}$"}""" },
        { "nested repetitions", """{"pattern":"(((((a{50}){50}){50}){50}){50})"}""" },
        { "empty repetitions", """{"pattern":"((((){1000}){1000}){1000}){1000}"}""" },
        { "many patterns", Many(900, i => $$"""{"pattern":"^(a|b)*{{i}}(a|b){7}$"}""") },
        { "a union of unions", Doubling(40) },
        { "more alternatives than are followed", """{"anyOf":[""" + string.Join(',', Enumerable.Range(0, 65).Select(i => $$$"""{"const":{"a":{{{i}}}}}""")) + "]}" },
        { "a oneOf of many", """{"oneOf":[""" + string.Join(',', Enumerable.Range(0, 60).Select(_ => """{"enum":[""" + string.Join(',', Enumerable.Range(0, 200)) + "]}")) + "]}" },
        { "a pattern with long lengths", """{"type":"string","pattern":"^([ab]c)*$","maxLength":100000}""" },
        { "thousands of numbers", Many(1500, i => $$"""{"type":"number","minimum":0.{{i}}}""") },
    };

    [Theory]
    [MemberData(nameof(Hostile))]
    public void Schema_ThatWouldExplode_IsRefused(string what, string schema)
    {
        Encoding.UTF8.GetByteCount(schema).ShouldBeLessThanOrEqualTo(StructuredLimits.SchemaBytes);
        StructuredRun.TryCompile(schema, out var problems).ShouldBeNull(what);
        problems.ShouldNotBeEmpty();
    }

    [Theory]
    [InlineData("""{"type":"string","maxLength":2000000000}""", "\"\"")]
    [InlineData("""{"type":"array","maxItems":99999999999}""", "[]")]
    [InlineData("""{"type":"array","items":{"type":"null"},"minItems":2}""", "[null,null]")]
    public void LargeBound_CostsNothing(string schema, string document)
    {
        var grammar = StructuredRun.Compile(schema);
        grammar.StateCount.ShouldBeLessThan(500);
        StructuredRun.Accepts(grammar, document).ShouldBeTrue();
    }

    [Fact]
    public void ThousandEnumValues_ShareTheirStates()
    {
        var schema = """{"enum":[""" + string.Join(',', Enumerable.Range(0, 1000).Select(i => $"\"value{i}\"")) + "]}";
        StructuredRun.Compile(schema).StateCount.ShouldBeLessThan(1200);
    }

    private static string Many(int count, Func<int, string> schema) =>
        """{"properties":{""" + string.Join(',', Enumerable.Range(0, count).Select(i => $"\"{i}\":{schema(i)}")) + "}}";

    // Each definition is two of the one before: 2^n paths to the same leaf.
    private static string Doubling(int count) =>
        """{"$ref":"#/$defs/d0","$defs":{""" +
        string.Join(',', Enumerable.Range(0, count).Select(i =>
            $$$"""
            "d{{{i}}}":{"anyOf":[{"type":"object","properties":{"a":{"$ref":"#/$defs/d{{{i + 1}}}"}},"required":["a"]},
            {"type":"object","properties":{"a":{"$ref":"#/$defs/d{{{i + 1}}}"},"b":{}},"required":["a"]}]}
            """)) +
        ",\"d" + count + "\":{\"type\":\"null\"}}}";
}
