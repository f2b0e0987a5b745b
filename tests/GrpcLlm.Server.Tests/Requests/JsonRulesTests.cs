using GrpcLlm.Server.Requests;

namespace GrpcLlm.Server.Tests.Requests;

public sealed class JsonRulesTests
{
    [Theory]
    [InlineData("{}")]
    [InlineData(" {\"a\": [1, 2.5e400, null]}\n")]
    [InlineData("{\"\":\"\\ud83d\\ude00\"}")]
    public void Object_IsTaken(string json) => Check(json).ShouldBeEmpty();

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("\"secret\"")]
    [InlineData("[{\"secret\":1}]")]
    [InlineData("{\"secret\":1,}")]
    [InlineData("{\"secret\":1}{}")]
    [InlineData("{'secret':1}")]
    [InlineData("{\"secret\":NaN}")]
    [InlineData("{\"secret\":1} // secret")]
    [InlineData("{\"secret\n\":1}")]
    [InlineData("{\"a\":\n  secret}")]
    [InlineData("\uFEFF{\"secret\":1}")]
    public void Other_IsRefusedWithoutQuotingIt(string json)
    {
        var violation = Check(json).ShouldHaveSingleItem();

        violation.Field.ShouldBe("f");
        violation.Description.ShouldNotContain("secret");
    }

    [Fact]
    public void Broken_TellsThePlace() =>
        Check("{\n\"a\": x}").ShouldHaveSingleItem().Description
            .ShouldBe("must be valid JSON; it fails in line 2, byte 5");

    [Fact]
    public void Nested_BeyondAnySense_IsRefused() =>
        Check(string.Concat(Enumerable.Repeat("{\"a\":", 100_000))).ShouldHaveSingleItem();

    private static Violations Check(string json)
    {
        var violations = new Violations();
        JsonRules.CheckObject(json, "f", violations);
        return violations;
    }
}
