using System.Text;
using GrpcLlm.Server.Backends.Embedded;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

public sealed class Utf8AssemblerTests
{
    [Fact]
    public void Append_CharactersSplitAnywhere_GivesTheWholeText()
    {
        const string text = "aé☃😀 end";
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        for (int first = 0; first <= bytes.Length; first++)
        {
            for (int second = first; second <= bytes.Length; second++)
            {
                Utf8Assembler assembler = Create();
                string[] parts =
                [
                    assembler.Append(bytes.AsSpan(0, first)),
                    assembler.Append(bytes.AsSpan(first..second)),
                    assembler.Append(bytes.AsSpan(second)),
                    assembler.Flush(),
                ];
                string.Concat(parts).ShouldBe(text);
                parts.ShouldAllBe(part => !part.Contains('\uFFFD'));
                parts[3].ShouldBeEmpty();
            }
        }
    }

    [Fact]
    public void Append_ByteByByte_GivesTheSameAsAtOnceForAnyBytes()
    {
        // The reference is .NET's decoder over the whole: one U+FFFD for each maximal invalid subpart.
        var random = new Random(5);
        byte[] interesting =
            [0x41, 0x80, 0xBF, 0xC0, 0xC2, 0xE0, 0xE2, 0x98, 0x83, 0xED, 0xA0, 0xF0, 0x9F, 0x90, 0xF4, 0xF5, 0xFF];
        for (int round = 0; round < 2000; round++)
        {
            byte[] bytes = [.. Enumerable.Range(0, 12).Select(_ => interesting[random.Next(interesting.Length)])];
            Utf8Assembler assembler = Create();
            var text = new StringBuilder();
            foreach (byte value in bytes) text.Append(assembler.Append([value]));
            text.Append(assembler.Flush());
            text.ToString().ShouldBe(Encoding.UTF8.GetString(bytes), Convert.ToHexString(bytes));
        }
    }

    [Fact]
    public void Append_InvalidByte_IsReplacedAsSoonAsItIsKnown()
    {
        Utf8Assembler assembler = Create();
        assembler.Append([0xE2, 0x98]).ShouldBeEmpty();
        assembler.Append([0x41]).ShouldBe("\uFFFDA");
        assembler.Append([0xFF]).ShouldBe("\uFFFD");
        assembler.Append([0xF0, 0x9F, 0x98]).ShouldBeEmpty();
        assembler.Flush().ShouldBe("\uFFFD");
        assembler.Flush().ShouldBeEmpty();
    }

    [Fact]
    public void Append_TokensOfText_GivesTheText()
    {
        Tokenizer tokenizer = TestModels.Model(TestModels.Default).Tokenizer;
        foreach (ReferenceTokens entry in TestModels.Vectors(TestModels.Default).Tokenizer)
        {
            var assembler = new Utf8Assembler(tokenizer.Vocabulary);
            (string.Concat(entry.Ids.Select(assembler.Append)) + assembler.Flush()).ShouldBe(entry.Text);
        }
    }

    [Fact]
    public void Append_ControlToken_PrintsNothing()
    {
        Create().Append(2047).ShouldBeEmpty();
    }

    private static Utf8Assembler Create() => new(TestModels.Model(TestModels.Default).Vocabulary);
}
