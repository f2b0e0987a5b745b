using System.Text.Json;
using GrpcLlm.Client.Json;

namespace GrpcLlm.Client.Tests.Json;

public sealed class PartialJsonReaderTests
{
    [Theory]
    [InlineData("", null)]
    [InlineData(" \n", null)]
    [InlineData("{", "{}")]
    [InlineData("{\"na", "{}")]
    [InlineData("{\"name\"", "{}")]
    [InlineData("{\"name\": ", "{}")]
    [InlineData("{\"name\": \"", "{\"name\":\"\"}")]
    [InlineData("{\"name\": \"Ad", "{\"name\":\"Ad\"}")]
    [InlineData("{\"name\": \"Ada\", \"a", "{\"name\":\"Ada\"}")]
    [InlineData("{\"age\": 12", "{}")]
    [InlineData("{\"age\": 12 ", "{\"age\":12}")]
    [InlineData("{\"age\": 12,", "{\"age\":12}")]
    [InlineData("[1, 2", "[1]")]
    [InlineData("[1, 2]", "[1,2]")]
    [InlineData("[-", "[]")]
    [InlineData("[1.", "[]")]
    [InlineData("[tru", "[]")]
    [InlineData("[true", "[true]")]
    [InlineData("[null,fals", "[null]")]
    [InlineData("12", null)]
    [InlineData("12 ", "12")]
    [InlineData("tru", null)]
    [InlineData("true", "true")]
    [InlineData("[[{\"a\":[", "[[{\"a\":[]}]]")]
    public void Append_UnfinishedText_ShowsWhatIsCertain(string text, string? expected) =>
        (new PartialJsonReader().Append(text).Value?.ToString()).ShouldBe(expected);

    [Theory]
    [InlineData("\"a\\", "a")]
    [InlineData("\"a\\n", "a\n")]
    [InlineData("\"a\\u00", "a")]
    [InlineData("\"a\\u00e9", "aé")]
    [InlineData("\"a\\ud83d", "a")]
    [InlineData("\"a\\ud83d\\ude0", "a")]
    [InlineData("\"a\\ud83d\\ude00", "a😀")]
    [InlineData("\"a😀", "a😀")]
    public void Append_UnfinishedString_ShowsWholeCharactersOnly(string text, string expected)
    {
        var value = new PartialJsonReader().Append(text).Value.ShouldNotBeNull();

        value.GetString().ShouldBe(expected);
        value.IsComplete.ShouldBeFalse();
    }

    // Not as data of a test: half a pair does not survive in an assembly's attributes.
    [Fact]
    public void Append_HalfASurrogatePair_WaitsForTheOther()
    {
        var reader = new PartialJsonReader().Append("\"a\ud83d");
        reader.Value!.GetString().ShouldBe("a");

        reader.Append("\ude00").Value!.GetString().ShouldBe("a😀");

        new PartialJsonReader().Append("\"\ude00").Fault!.Position.ShouldBe(1);
        new PartialJsonReader().Append("\"\ud83d!").Fault!.Message.ShouldContain("the second half of a surrogate pair");
        new PartialJsonReader().Append("\"\ud83d\\ude00").Fault.ShouldNotBeNull();
        new PartialJsonReader().Append("\"\ud83d").Value!.ToString().ShouldBe("\"\"");
    }

    [Fact]
    public void Value_WhileTextGrows_IsOneLiveView()
    {
        var reader = new PartialJsonReader().Append("""{"steps": [{"title": "Mi""");
        reader.Value!.TryGetProperty("steps", out var steps).ShouldBeTrue();
        steps.Items[0].TryGetProperty("title", out var title).ShouldBeTrue();
        title.Text.ToString().ShouldBe("Mi");

        reader.Append("""x"}, {"title": "Ba""");

        title.Text.ToString().ShouldBe("Mix");
        title.IsComplete.ShouldBeTrue();
        steps.Items.Count.ShouldBe(2);
        steps.IsComplete.ShouldBeFalse();
        reader.IsComplete.ShouldBeFalse();
    }

    [Fact]
    public void Complete_WholeText_IsTheValue()
    {
        var reader = new PartialJsonReader().Append("""{"n": 1e999, "s": "é\/", "l": [true, false, null], "o": {}} """);

        reader.IsComplete.ShouldBeTrue();
        reader.Complete().GetRawText().ShouldBe("""{"n":1e999,"s":"é/","l":[true,false,null],"o":{}}""");
        reader.Complete().GetProperty("l")[1].GetBoolean().ShouldBeFalse();
    }

    [Fact]
    public void Complete_BareNumber_EndsIt()
    {
        var reader = new PartialJsonReader().Append("-1.5");
        reader.IsComplete.ShouldBeFalse();

        reader.Complete().GetDouble().ShouldBe(-1.5);

        reader.IsComplete.ShouldBeTrue();
        reader.Value!.IsComplete.ShouldBeTrue();
    }

    [Theory]
    [InlineData("", 0, "a value")]
    [InlineData("{\"a\":1", 6, "the rest of the number or what follows it")]
    [InlineData("{\"a\":[1,2", 9, "the rest of the number or what follows it")]
    [InlineData("{\"a\"", 4, "':'")]
    [InlineData("[1 ", 3, "',' or ']'")]
    [InlineData("-", 1, "a digit")]
    [InlineData("tru", 3, "the rest of 'true'")]
    [InlineData("\"abc", 4, "a closing quotation mark")]
    public void Complete_TextThatEndsEarly_ThrowsWithItsLength(string text, long position, string expected)
    {
        var fault = Should.Throw<MalformedJsonException>(() => new PartialJsonReader().Append(text).Complete());

        fault.Position.ShouldBe(position);
        fault.IsUnfinished.ShouldBeTrue();
        fault.Message.ShouldContain(expected);
    }

    [Theory]
    [InlineData("{a", 1, "a property name or '}'")]
    [InlineData("{\"a\" 1", 5, "':'")]
    [InlineData("{\"a\":1,}", 7, "a property name")]
    [InlineData("[1,]", 3, "a value")]
    [InlineData("[1}", 2, "',' or ']'")]
    [InlineData("{\"a\":1]", 6, "',' or '}'")]
    [InlineData("[01]", 2, "the rest of the number or what follows it")]
    [InlineData("[1.e1]", 3, "a digit")]
    [InlineData("{} {}", 3, "nothing but white space")]
    [InlineData("]", 0, "a value")]
    [InlineData("// no", 0, "a value")]
    [InlineData("'a'", 0, "a value")]
    [InlineData("\ufeff{}", 0, "a value")]
    [InlineData("[trye", 3, "the rest of 'true'")]
    [InlineData("\"a\nb\"", 2, "a character that needs no escape")]
    [InlineData("\"\\x\"", 2, "after a backslash")]
    [InlineData("\"\\u00g0\"", 5, "a hexadecimal digit")]
    [InlineData("\"\\ud83d!\"", 7, "the second half of a surrogate pair")]
    [InlineData("NaN", 0, "a value")]
    public void Append_Fault_IsTheFirstOneAndKeepsTheValue(string text, long position, string expected)
    {
        var before = new PartialJsonReader().Append(text.AsSpan(0, (int)position)).Value?.ToString();

        var reader = new PartialJsonReader().Append(text).Append(" and more");

        var fault = reader.Fault.ShouldNotBeNull();
        fault.Position.ShouldBe(position);
        fault.IsUnfinished.ShouldBeFalse();
        fault.Message.ShouldContain(expected);
        reader.IsComplete.ShouldBeFalse();
        if (before is not null) reader.Value!.ToString().ShouldStartWith(before[..^1]);
        Should.Throw<MalformedJsonException>(() => reader.Complete()).ShouldBeSameAs(fault);
    }

    [Fact]
    public void Fault_Message_TellsNothingOfTheText() =>
        new PartialJsonReader().Append("{\"secret\": \"hidden\" secret").Fault!.Message.ShouldNotContain("secret");

    [Fact]
    public void RepeatedName_IsKeptAndTheLastOneIsFound()
    {
        var reader = new PartialJsonReader().Append("""{"a": 1, "a": "tw""");

        reader.Value!.Properties.Select(property => property.Name).ShouldBe(["a", "a"]);
        reader.Value.TryGetProperty("a", out var found).ShouldBeTrue();
        found.GetString().ShouldBe("tw");
        reader.Append("o\"}").Complete().GetProperty("a").GetString().ShouldBe("two");
    }

    [Theory]
    [InlineData(64)]
    [InlineData(1)]
    [InlineData(1000)]
    public void Depth_UpToTheLimit_IsRead(int depth)
    {
        var text = new string('[', depth) + new string(']', depth);

        new PartialJsonReader(depth).Append(text).Complete().GetRawText().ShouldBe(text);

        var deeper = new PartialJsonReader(depth).Append("[" + text + "]");
        deeper.Fault!.Position.ShouldBe(depth);
        deeper.Fault.Message.ShouldContain("levels");
    }

    [Fact]
    public void Depth_ByDefault_IsThatOfSystemTextJson()
    {
        JsonDocument.Parse(Nested(64)).Dispose();
        Should.Throw<JsonException>(() => JsonDocument.Parse(Nested(65)));

        new PartialJsonReader().Append(Nested(64)).Fault.ShouldBeNull();
        new PartialJsonReader().Append(Nested(65)).Fault.ShouldNotBeNull();

        static string Nested(int depth) => new string('[', depth) + new string(']', depth);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1001)]
    public void Depth_OutOfRange_IsRefused(int depth) => Should.Throw<ArgumentOutOfRangeException>(() => new PartialJsonReader(depth));

    [Fact]
    public void GetString_OfAnotherKind_Throws() =>
        Should.Throw<InvalidOperationException>(() => new PartialJsonReader().Append("[").Value!.GetString());

    [Theory]
    [InlineData(1_000)]
    [InlineData(100_000)]
    [InlineData(1_000_000)]
    public void Append_CharacterByCharacter_TakesStepsAndMemoryInProportionToTheText(int characters)
    {
        var text = Long(characters);
        var reader = new PartialJsonReader();
        var seen = 0L;

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < text.Length; i++)
        {
            reader.Append(text.AsSpan(i, 1));

            // Looked at every time, as a page that redraws itself does.
            var items = reader.Value!.Items;
            seen += items.Count > 0 ? items[^1].Text.Length : 0;
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        reader.Complete().GetArrayLength().ShouldBe(reader.Value!.Items.Count);
        seen.ShouldBePositive();
        reader.Steps.ShouldBeInRange(text.Length, 2 * text.Length);
        allocated.ShouldBeLessThan(200L * text.Length);
    }

    [Fact]
    public void Value_LookedAt_AllocatesNothing()
    {
        var reader = new PartialJsonReader().Append("[\"" + new string('x', 100_000));
        var length = reader.Value!.Items[0].Text.Length;

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++) length = Math.Min(length, reader.Value!.Items[0].Text.Length);

        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);
        length.ShouldBe(100_000);
    }

    /// <summary>An array of short values and one string as long as all of them.</summary>
    private static string Long(int characters)
    {
        const string Item = "12,\"ab\",[],true,";
        return "[" + string.Concat(Enumerable.Repeat(Item, characters / 2 / Item.Length)) + "\"" + new string('x', characters / 2) + "\"]";
    }
}
