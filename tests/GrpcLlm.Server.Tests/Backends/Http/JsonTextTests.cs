using System.Text;
using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Backends.Http;

public sealed class JsonTextTests
{
    [Theory]
    [InlineData("\"plain é 😀\"", "plain é 😀")]
    [InlineData("\"\\b\\f\\n\\r\\t\\\"\\\\\\/\"", "\b\f\n\r\t\"\\/")]
    [InlineData("\"a\\u00e9b\\ud83d\\ude00c\"", "aéb😀c")]
    [InlineData("\"\"", "")]
    [InlineData("12", "")]
    [InlineData("null", "")]
    public void Read_AnyString_IsItsText(string json, string expected)
    {
        using var document = JsonDocument.Parse(json);

        JsonText.Read(document.RootElement).ShouldBe(expected);
    }

    [Fact]
    public void Read_HalfASurrogatePair_IsKept()
    {
        using var document = JsonDocument.Parse("\"x\\ud83d\"");

        var text = JsonText.Read(document.RootElement);

        text.Length.ShouldBe(2);
        char.IsHighSurrogate(text[1]).ShouldBeTrue();
    }

    [Fact]
    public void Read_InvalidUtf8_IsReplaced()
    {
        using var document = JsonDocument.Parse((byte[])[(byte)'"', (byte)'a', 0xC3, (byte)'b', (byte)'"']);

        JsonText.Read(document.RootElement).ShouldBe("a\uFFFDb");
    }

    [Fact]
    public void Read_WhatTheSerializerWrote_IsTheSame() => Properties.HoldsForSeeds(static random =>
    {
        var text = new StringBuilder();
        for (var length = random.Next(40); length > 0; length--)
        {
            var rune = random.Next(0x11_0000);
            if (rune is < 0xD800 or > 0xDFFF) text.Append(new Rune(rune));
        }

        using var document = JsonDocument.Parse(JsonSerializer.Serialize(text.ToString()));
        JsonText.Read(document.RootElement).ShouldBe(text.ToString());
    });

    [Theory]
    [InlineData("{\"n\":7}", 7u)]
    [InlineData("{\"n\":12.0}", 12u)]
    [InlineData("{\"n\":-1}", null)]
    [InlineData("{\"n\":1e99}", null)]
    [InlineData("{\"n\":\"7\"}", null)]
    [InlineData("{}", null)]
    [InlineData("[]", null)]
    public void Count_WholeNumbersOnly(string json, uint? expected)
    {
        using var document = JsonDocument.Parse(json);

        JsonText.Count(document.RootElement, "n").ShouldBe(expected);
    }
}
