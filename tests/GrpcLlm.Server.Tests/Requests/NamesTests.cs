using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Requests;

public sealed class NamesTests
{
    [Fact]
    public void Of_Known_IsTheProtoNameWithoutPrefix()
    {
        Names<FinishReason>.Of(FinishReason.StopSequence).ShouldBe("STOP_SEQUENCE");
        Names<FinishReason>.LowerOf(FinishReason.StopSequence).ShouldBe("stop_sequence");
        Names<Role>.Of(Role.Unspecified).ShouldBe("UNSPECIFIED");
    }

    [Fact]
    public void Of_EveryValueOfEveryEnum_IsThatOfItsDescriptor()
    {
        foreach (var value in ErrorReasonDescriptor.Values)
        {
            Names<ErrorReason>.Of((ErrorReason)value.Number)
                .ShouldBe(value.Name["ERROR_REASON_".Length..]);
        }
    }

    [Fact]
    public void Of_Unknown_IsTheNumber()
    {
        Names<Role>.Of((Role)99).ShouldBe("99");
        Names<Role>.LowerOf((Role)(-1)).ShouldBe("-1");
        Names<Role>.IsKnown((Role)99).ShouldBeFalse();
        Names<Role>.IsKnown(Role.Tool).ShouldBeTrue();
    }

    private static Google.Protobuf.Reflection.EnumDescriptor ErrorReasonDescriptor =>
        GenerationReflection.Descriptor.EnumTypes.Single(static type => type.Name == nameof(ErrorReason));
}
