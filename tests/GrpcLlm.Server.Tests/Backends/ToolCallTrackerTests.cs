using GrpcLlm.Server.Backends;

namespace GrpcLlm.Server.Tests.Backends;

public sealed class ToolCallTrackerTests
{
    private readonly ToolCallTracker _calls = new();

    [Fact]
    public void Begin_WithoutId_MakesNineAlphanumerics()
    {
        var delta = _calls.Begin("0", "", "add", 0).ToolCall!;

        delta.Id.Length.ShouldBe(9);
        delta.Id.ShouldAllBe(static one => char.IsAsciiLetterOrDigit(one));
        delta.Name.ShouldBe("add");
    }

    [Fact]
    public void Begin_WithoutName_IsMalformed() => ShouldBeMalformed(() => _calls.Begin("0", "id", "", 0));

    [Fact]
    public void Begin_CallsWithoutEnd_IsMalformed() => ShouldBeMalformed(() =>
    {
        for (var n = 0; n <= 4096; n++) _calls.Begin($"{n}", "id", "add", 0);
    });

    [Fact]
    public void Append_ArgumentsWithoutEnd_IsMalformed()
    {
        _calls.Begin("0", "id", "add", 0, new string('x', 8 << 20));
        _calls.Begin("1", "id", "add", 0, new string('x', 8 << 20));

        ShouldBeMalformed(() => _calls.Append("0", "x"));
    }

    [Fact]
    public void Interleaved_KeepStableIndicesAndParts()
    {
        _calls.Begin("a", "id-a", "first", 3).ToolCall!.Index.ShouldBe(0u);
        _calls.Begin("b", "id-b", "second", 4).ToolCall!.Index.ShouldBe(1u);

        var a = _calls.Append("a", "{}")!.Value;
        var b = _calls.Append("b", "{\"x\":1}")!.Value;

        (a.ToolCall!.Index, a.PartIndex).ShouldBe((0u, 3u));
        (b.ToolCall!.Index, b.PartIndex).ShouldBe((1u, 4u));
        a.ToolCall.Id.ShouldBeEmpty();
        _calls.Append("a", "").ShouldBeNull();
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("{\"a\":[1,{\"b\":null}]} ")]
    public void End_ObjectOrNothing_IsDone(string arguments)
    {
        _calls.Begin("0", "id", "tool", 0);
        _calls.Append("0", arguments);

        var end = _calls.End("0");

        end.ToolCall!.Done.ShouldBeTrue();
        end.TokenCount.ShouldBe(0u);
        _calls.IsOpen("0").ShouldBeFalse();
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("\"text\"")]
    [InlineData("{} {}")]
    [InlineData("{\"a\":}")]
    public void End_AnythingElse_IsMalformed(string arguments)
    {
        _calls.Begin("0", "id", "tool", 0, arguments);

        Should.Throw<BackendException>(() => _calls.End("0")).Failure.ShouldBe(BackendFailure.Malformed);
    }

    [Fact]
    public void EndAll_EndsWhatIsOpenOnce()
    {
        _calls.Begin("0", "a", "tool", 0);
        _calls.Begin("1", "b", "tool", 1);
        _calls.End("0");
        var output = new List<BackendEvent>();

        _calls.EndAll(output);

        output.ShouldHaveSingleItem().ToolCall!.Index.ShouldBe(1u);
    }

    private static void ShouldBeMalformed(Action action) =>
        Should.Throw<BackendException>(action).Failure.ShouldBe(BackendFailure.Malformed);
}
