using System.Text;

namespace GrpcStandIns.Tests.Api;

public class MetadataEntryTests
{
    private static readonly byte[] Bytes = [0, 127, 255];

    [Fact]
    public void TextEntry_GivesTextAndItsAsciiBytes()
    {
        var entry = new Metadata.Entry("key", "value");

        entry.IsBinary.ShouldBeFalse();
        entry.Value.ShouldBe("value");
        entry.ValueBytes.ShouldBe(Encoding.ASCII.GetBytes("value"));
    }

    [Fact]
    public void BinaryEntry_GivesBytesButNoText()
    {
        var entry = new Metadata.Entry("key-bin", Bytes);

        entry.IsBinary.ShouldBeTrue();
        entry.ValueBytes.ShouldBe(Bytes);
        Should.Throw<InvalidOperationException>(() => entry.Value);
    }

    [Fact]
    public void BinaryEntry_SourceOrCopyChanges_StaysAsItWas()
    {
        byte[] source = [1, 2, 3];
        var entry = new Metadata.Entry("key-bin", source);

        source[0] = 9;
        entry.ValueBytes[1] = 9;

        entry.ValueBytes.ShouldBe([1, 2, 3]);
    }

    [Theory]
    [InlineData("Authorization", "authorization")]
    [InlineData("A.b_C-9", "a.b_c-9")]
    public void Key_WithCapitals_IsKeptInLowerCase(string given, string kept) =>
        new Metadata.Entry(given, "value").Key.ShouldBe(kept);

    [Fact]
    public void BinarySuffix_WithCapitals_StillMarksABinaryEntry() =>
        new Metadata.Entry("Key-BIN", Bytes).IsBinary.ShouldBeTrue();

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("two words")]
    [InlineData("colon:")]
    [InlineData(":path")]
    [InlineData("new\nline")]
    [InlineData("plus+")]
    [InlineData("é")]
    [InlineData("\u212Aelvin")]
    public void Key_WithAnotherCharacter_IsRefused(string key)
    {
        Should.Throw<ArgumentException>(() => new Metadata.Entry(key, "value"));
        Should.Throw<ArgumentException>(() => new Metadata.Entry($"{key}:-bin", Bytes));
    }

    [Fact]
    public void Key_OfTheWrongKind_IsRefused()
    {
        Should.Throw<ArgumentException>(() => new Metadata.Entry("key-bin", "text"));
        Should.Throw<ArgumentException>(() => new Metadata.Entry("key", Bytes));
    }

    [Fact]
    public void NullArguments_AreRefused()
    {
        Should.Throw<ArgumentNullException>(() => new Metadata.Entry(null!, "value"));
        Should.Throw<ArgumentNullException>(() => new Metadata.Entry(null!, Bytes));
        Should.Throw<ArgumentNullException>(() => new Metadata.Entry("key", (string)null!));
        Should.Throw<ArgumentNullException>(() => new Metadata.Entry("key-bin", (byte[])null!));
    }

    [Fact]
    public void ToString_TextEntry_NamesKeyAndValue()
    {
        var text = new Metadata.Entry("trace-id", "7").ToString();

        text.ShouldContain("trace-id");
        text.ShouldContain("7");
    }
}
