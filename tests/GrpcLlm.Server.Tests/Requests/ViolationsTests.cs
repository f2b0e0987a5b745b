using GrpcLlm.Server.Requests;

namespace GrpcLlm.Server.Tests.Requests;

public sealed class ViolationsTests
{
    [Fact]
    public void Add_BeyondCapacity_CountsAllAndKeepsTheFirst()
    {
        var violations = new Violations();
        violations.IsEmpty.ShouldBeTrue();

        for (var index = 0; index < 1000; index++) violations.Add($"f{index}", "d");

        violations.Count.ShouldBe(1000);
        violations.IsEmpty.ShouldBeFalse();
        violations.Select(static one => one.Field)
            .ShouldBe(Enumerable.Range(0, Violations.Capacity).Select(static index => $"f{index}"));
    }

    [Fact]
    public void AddUnknown_TellsTheNumber()
    {
        var violations = new Violations();

        violations.AddUnknown("f", -7);

        violations.ShouldBe([new Violation("f", "-7 is not a value that this server knows")]);
    }
}
