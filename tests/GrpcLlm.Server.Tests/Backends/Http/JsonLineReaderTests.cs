using System.Text;
using GrpcLlm.Server.Backends.Http;

namespace GrpcLlm.Server.Tests.Backends.Http;

public sealed class JsonLineReaderTests
{
    [Theory]
    [InlineData("{\"a\":1}\n{\"b\":2}\n", "{\"a\":1}|{\"b\":2}")]
    [InlineData("\uFEFF{\"a\":1}\r\n\r\n  \n{\"b\":2}", "{\"a\":1}|{\"b\":2}")]
    [InlineData("data: {\"a\":1}\n\ndata:{\"b\":2}\n", "{\"a\":1}|{\"b\":2}")]
    [InlineData("", "")]
    public async Task Read_OneDocumentALine_WhateverThePieces(string body, string expected)
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        for (var piece = 1; piece <= bytes.Length + 1; piece++)
            (await ReadAllAsync(bytes, piece, spansLines: false)).ShouldBe(expected);
    }

    [Theory]
    [InlineData("{\n  \"a\": \"}\\\"\\n\",\n  \"b\": [1,\n2]\n}\n", "{\n  \"a\": \"}\\\"\\n\",\n  \"b\": [1,\n2]\n}")]
    [InlineData("{\"a\":1}\n{\n\"b\":2}\n", "{\"a\":1}|{\n\"b\":2}")]
    public async Task Read_DocumentsThatSpanLines_EndWhereTheirBracesClose(string body, string expected)
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        for (var piece = 1; piece <= bytes.Length; piece++)
            (await ReadAllAsync(bytes, piece, spansLines: true)).ShouldBe(expected);
    }

    [Fact]
    public async Task Read_LineLargerThanTheBuffer_IsWhole()
    {
        var line = "{\"a\":\"" + new string('x', 100_000) + "\"}";

        (await ReadAllAsync(Encoding.UTF8.GetBytes(line + "\n" + line), 4000, spansLines: false)).ShouldBe(line + "|" + line);
    }

    private static async Task<string> ReadAllAsync(byte[] body, int piece, bool spansLines)
    {
        var reader = new JsonLineReader(new Pieces(body, piece), spansLines);
        var documents = new List<string>();
        while (await reader.ReadAsync(document => documents.Add(Encoding.UTF8.GetString(document))))
        {
            // Each read hands over one document.
        }

        return string.Join('|', documents);
    }

    private sealed class Pieces(byte[] body, int piece) : MemoryStream(body)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(piece, buffer.Length)], cancellationToken);
    }
}
