namespace GrpcLlm.Server.Tests.Backends.Embedded.Structured;

/// <summary>Which documents can be written for a schema, keyword by keyword.</summary>
public sealed class SchemaDocumentsTests
{
    [Theory]
    [InlineData("""{"type":"null"}""", "null", "Null")]
    [InlineData("""{"type":"boolean"}""", "true", "\"true\"")]
    [InlineData("""{"type":["null","integer"]}""", "-7", "7.0")]
    [InlineData("""{"type":"number"}""", "0.25", "1e3")]
    [InlineData("""{"type":"number"}""", "-0.5", "-0.0")]
    [InlineData("""{"type":"number"}""", "123456789012345", "1234567890123456")]
    [InlineData("""{"type":"integer"}""", "0", "01")]
    [InlineData("""{"const":{"a":[1,null]}}""", """{"a": [1,null]}""", """{"a":[1]}""")]
    [InlineData("""{"enum":["a","ab",1,12,null]}""", "12", "2")]
    [InlineData("""{"enum":["a","ab"]}""", "\"ab\"", "\"b\"")]
    [InlineData("""{"type":"string","enum":["a",1]}""", "\"a\"", "1")]
    [InlineData("""{"anyOf":[{"type":"integer"},{"type":"string"}]}""", "\"x\"", "null")]
    [InlineData("""{"type":"string","anyOf":[{"type":"integer"},{"type":"string"}]}""", "\"x\"", "1")]
    [InlineData("""{"allOf":[{"$ref":"#/$defs/n"}],"$defs":{"n":{"type":"null"}}}""", "null", "1")]
    public void Value_OfItsSchema_CanBeWritten(string schema, string valid, string invalid) => Check(schema, valid, invalid);

    [Theory]
    [InlineData("""{"type":"string"}""", """ "a\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00" """, """ "\uD83D" """)]
    [InlineData("""{"type":"string"}""", "\"\u00e9\u20ac\U0001F600\"", "\"\n\"")]
    [InlineData("""{"type":"string"}""", """ "\uABcd" """, """ "\uDE00\uD83D" """)]
    [InlineData("""{"type":"string","maxLength":2}""", "\"\U0001F600\\uD83D\\uDE00\"", "\"abc\"")]
    [InlineData("""{"type":"string","minLength":2}""", "\"ab\"", "\"\U0001F600\"")]
    [InlineData("""{"type":"string","maxLength":0}""", "\"\"", "\"a\"")]
    [InlineData("""{"type":"string","pattern":"^a+$"}""", "\"aaa\"", "\"\\u0061\"")]
    [InlineData("""{"type":"string","pattern":"b"}""", "\"abc\"", "\"ac\"")]
    [InlineData("""{"type":"string","pattern":"^[ab]*$","minLength":2,"maxLength":3}""", "\"aba\"", "\"abab\"")]
    [InlineData("""{"type":"string","pattern":"^\\s$"}""", "\"\\t\"", "\"\t\"")]
    [InlineData("""{"type":"string","format":"date"}""", "\"2024-02-28\"", "\"2024-02-30\"")]
    public void String_OfItsSchema_CanBeWritten(string schema, string valid, string invalid) =>
        Check(schema, valid.Trim(), invalid.Trim());

    [Theory]
    [InlineData("""{"minimum":-12,"maximum":105}""", "-12", "-13")]
    [InlineData("""{"minimum":-12,"maximum":105}""", "105", "106")]
    [InlineData("""{"exclusiveMinimum":0}""", "1", "0")]
    [InlineData("""{"maximum":-5}""", "-5", "-4")]
    [InlineData("""{"minimum":0.5,"maximum":1.5}""", "1", "2")]
    [InlineData("""{"multipleOf":7,"minimum":10}""", "14", "7")]
    [InlineData("""{"maximum":9223372036854775807}""", "999999999999999", "9223372036854775807")]
    public void Integer_OfItsRange_CanBeWritten(string limits, string valid, string invalid) =>
        Check("""{"type":"integer",""" + limits[1..], valid, invalid);

    [Theory]
    [InlineData("""{"minimum":0.125,"maximum":0.5}""", "0.125", "0.12")]
    [InlineData("""{"minimum":0.125,"maximum":0.5}""", "0.1250", "0.1249")]
    [InlineData("""{"exclusiveMaximum":0.5}""", "0.49", "0.50")]
    [InlineData("""{"exclusiveMinimum":-0.5,"maximum":0}""", "-0.499", "-0.5")]
    [InlineData("""{"multipleOf":0.01}""", "3.14", "3.141")]
    [InlineData("""{"minimum":9.5,"maximum":10.25}""", "10.25", "10.251")]
    [InlineData("""{"minimum":9.5,"maximum":10.25}""", "9.9", "9")]
    [InlineData("""{"multipleOf":5}""", "15", "15.0")]
    public void Number_OfItsRange_CanBeWritten(string limits, string valid, string invalid) =>
        Check("""{"type":"number",""" + limits[1..], valid, invalid);

    [Theory]
    [InlineData("""{"properties":{"a":{},"b":{"type":"null"}}}""", """{"b":null}""", """{"b":null,"a":1}""")]
    [InlineData("""{"properties":{"a":{}},"required":["a"]}""", """{"a": {"x":[]}}""", "{}")]
    [InlineData("""{"properties":{"a":{}}}""", """{"a":1}""", """{"a":1,"b":2}""")]
    [InlineData("""{"properties":{"a":{}},"additionalProperties":{"type":"null"}}""", """{"a":1,"ab":null,"b":null}""", """{"ab":1}""")]
    [InlineData("""{"properties":{"a":{"type":"null"}},"additionalProperties":true}""", """{"b":1}""", """{"b":1,"a":null}""")]
    [InlineData("""{"required":["z"]}""", """{"z":1,"a":2}""", """{"a":2}""")]
    [InlineData("""{"properties":{"a":false}}""", "{}", """{"a":1}""")]
    [InlineData("""{"additionalProperties":false}""", "{}", """{"a":1}""")]
    [InlineData("""{"additionalProperties":{"type":"integer"},"minProperties":1,"maxProperties":2}""", """{"a":1,"b":2}""", "{}")]
    [InlineData("""{"maxProperties":2}""", """{"a":1,"b":2}""", """{"a":1,"b":2,"c":3}""")]
    [InlineData("""{"properties":{"ä\"":{}}}""", """{"ä\"":1}""", """{"\u00e4\"":1}""")]
    public void Object_OfItsSchema_CanBeWritten(string limits, string valid, string invalid) =>
        Check("""{"type":"object",""" + limits[1..], valid, invalid);

    [Theory]
    [InlineData("""{"items":{"type":"integer"}}""", "[1, 2,3]", "[1,null]")]
    [InlineData("""{"minItems":2,"maxItems":3}""", "[1,2]", "[1]")]
    [InlineData("""{"minItems":2,"maxItems":3}""", "[1,2,3]", "[1,2,3,4]")]
    [InlineData("""{"maxItems":0}""", "[]", "[1]")]
    [InlineData("""{"prefixItems":[{"type":"null"},{"type":"boolean"}],"items":false}""", "[null]", "[null,true,1]")]
    [InlineData("""{"prefixItems":[{"type":"null"}],"items":{"type":"integer"},"minItems":3}""", "[null,1,2]", "[null,1]")]
    [InlineData("""{"prefixItems":[{},{}],"minItems":1,"maxItems":1}""", "[1]", "[1,2]")]
    [InlineData("""{"items":false}""", "[]", "[1]")]
    public void Array_OfItsSchema_CanBeWritten(string limits, string valid, string invalid) =>
        Check("""{"type":"array",""" + limits[1..], valid, invalid);

    [Fact]
    public void Alternatives_ThatBeginAlike_AreAllFollowed()
    {
        const string schema =
            """
            {"anyOf":[
              {"type":"object","properties":{"kind":{"const":"circle"},"r":{"type":"number"}},"required":["kind","r"]},
              {"type":"object","properties":{"kind":{"const":"cube"},"a":{"type":"array","items":{"$ref":"#"}}},"required":["kind","a"]}
            ]}
            """;
        Check(schema, """{"kind":"cube","a":[{"kind":"circle","r":1},{"kind":"cube","a":[]}]}""", """{"kind":"cube","r":1}""");
    }

    [Fact]
    public void Recursion_GoesAsDeepAsTheLimitAndNoDeeper()
    {
        const string schema = """{"type":"array","items":{"$ref":"#"}}""";
        Check(schema, new string('[', 32) + new string(']', 32), new string('[', 33) + new string(']', 33));
        Check("{}", new string('[', 32) + new string(']', 32), new string('[', 33) + new string(']', 33));
    }

    [Fact]
    public void WhiteSpace_IsOneSpaceAfterCommaAndColonAtMost()
    {
        const string schema = """{"type":"array","items":{"type":"object"}}""";
        Check(schema, """[{"a": 1, "b": 2}, {}]""", """[{"a":  1}]""");
        Check(schema, "[]", "[ ]");
    }

    private static void Check(string schema, string valid, string invalid)
    {
        var grammar = StructuredRun.Compile(schema);
        StructuredRun.Accepts(grammar, valid).ShouldBeTrue($"{schema} should write {valid}");
        StructuredRun.Accepts(grammar, invalid).ShouldBeFalse($"{schema} should not write {invalid}");
    }
}
