using System.Text;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Backends.Http;

public sealed class JsonLineFramingTests
{
    [Theory]
    [InlineData("{\"a\":1}\n{\"b\":2}\n", "{\"a\":1}|{\"b\":2}")]
    [InlineData("\uFEFF{\"a\":1}\r\n\r\n  \n{\"b\":2}", "{\"a\":1}|{\"b\":2}")]
    [InlineData("data: {\"a\":1}\n\ndata:{\"b\":2}\n", "{\"a\":1}|{\"b\":2}")]
    [InlineData("", "")]
    public void TryTake_OneDocumentALine_WhateverThePieces(string body, string expected)
    {
        for (var piece = 1; piece <= body.Length + 1; piece++) ReadAll(body, piece, spansLines: false).ShouldBe(expected);
    }

    [Theory]
    [InlineData("{\n  \"a\": \"}\\\"\\n\",\n  \"b\": [1,\n2]\n}\n", "{\n  \"a\": \"}\\\"\\n\",\n  \"b\": [1,\n2]\n}")]
    [InlineData("{\"a\":1}\n{\n\"b\":2}\n", "{\"a\":1}|{\n\"b\":2}")]
    public void TryTake_DocumentsThatSpanLines_EndWhereTheirBracesClose(string body, string expected)
    {
        for (var piece = 1; piece <= body.Length; piece++) ReadAll(body, piece, spansLines: true).ShouldBe(expected);
    }

    private static string ReadAll(string body, int piece, bool spansLines) => string.Join(
        '|', FramedBody.Read(new JsonLineFraming(spansLines), Encoding.UTF8.GetBytes(body), () => piece).Select(static one => one.Data));
}
