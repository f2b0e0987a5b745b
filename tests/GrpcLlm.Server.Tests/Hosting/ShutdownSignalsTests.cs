using GrpcLlm.Server.Hosting;

namespace GrpcLlm.Server.Tests.Hosting;

public sealed class ShutdownSignalsTests
{
    [Theory]
    [InlineData(15, 143)]
    [InlineData(2, 130)]
    public void SecondSignal_EndsTheProcessWithItsCode(int second, int code)
    {
        var codes = new List<int>();
        using var signals = new ShutdownSignals(codes.Add);

        signals.Note(15);
        codes.ShouldBeEmpty();
        signals.Note(second);

        codes.ShouldBe([code]);
    }
}
