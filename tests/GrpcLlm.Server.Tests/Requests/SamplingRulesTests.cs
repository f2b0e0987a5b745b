using System.Globalization;
using GrpcLlm.V1;
using static GrpcLlm.Server.Tests.Requests.Given;

namespace GrpcLlm.Server.Tests.Requests;

public sealed class SamplingRulesTests
{
    private const double Inf = double.PositiveInfinity;

    [Theory]
    [InlineData("temperature", 0, 2, -1e-9, 2.0000001)]
    [InlineData("top_p", double.Epsilon, 1, 0, 1.0000001)]
    [InlineData("min_p", 0, 1, -1e-9, 1.0000001)]
    [InlineData("presence_penalty", -2, 2, -2.0000001, 2.0000001)]
    [InlineData("frequency_penalty", -2, 2, -2.0000001, 2.0000001)]
    [InlineData("repetition_penalty", double.Epsilon, 2, 0, 2.0000001)]
    public void Value_OutOfItsRange_IsNamed(string field, double least, double most, double below, double above)
    {
        double[] wrong = [below, above, double.NaN, Inf, -Inf, double.MaxValue, double.MinValue];
        foreach (var value in wrong)
        {
            Find(With(field, value)).ShouldHaveSingleItem().Field.ShouldBe($"sampling.{field}", $"{value}");
        }

        FieldsOf(With(field, least)).ShouldBeEmpty();
        FieldsOf(With(field, most)).ShouldBeEmpty();
        FieldsOf(With(field, (least + most) / 2)).ShouldBeEmpty();
    }

    [Fact]
    public void Value_NegativeZero_IsZero() => FieldsOf(With("temperature", -0.0)).ShouldBeEmpty();

    [Fact]
    public void Description_TellsRangeAndValue() =>
        Find(With("temperature", 2.5)).ShouldHaveSingleItem().Description.ShouldBe("must be 0 to 2, is 2.5");

    [Theory]
    [InlineData(0u, true)]
    [InlineData(1_000_000u, true)]
    [InlineData(1_000_001u, false)]
    [InlineData(uint.MaxValue, false)]
    public void TopK_IsBounded(uint value, bool valid) =>
        FieldsOf(Prompt(r => r.Sampling = new SamplingOptions { TopK = value })).ShouldBe(valid ? [] : ["sampling.top_k"]);

    [Theory]
    [InlineData(-100, true)]
    [InlineData(100, true)]
    [InlineData(-100.1, false)]
    [InlineData(100.1, false)]
    [InlineData(double.NaN, false)]
    [InlineData(-Inf, false)]
    public void LogitBias_IsBounded(double value, bool valid) =>
        FieldsOf(Prompt(r => r.Sampling = new SamplingOptions { LogitBias = { [uint.MaxValue] = value } }))
            .ShouldBe(valid ? [] : ["sampling.logit_bias[4294967295]"]);

    [Theory]
    [InlineData(long.MinValue)]
    [InlineData(long.MaxValue)]
    public void Seed_AnyValue_IsTaken(long seed) =>
        FieldsOf(Prompt(r => r.Sampling = new SamplingOptions { Seed = seed })).ShouldBeEmpty();

    private static GenerateRequest With(string field, double value)
    {
        var sampling = new SamplingOptions();
        SamplingOptions.Descriptor.FindFieldByName(field).Accessor.SetValue(sampling, value);
        sampling.ToString().ShouldContain(field.Split('_')[0], Case.Insensitive, string.Create(CultureInfo.InvariantCulture, $"{value}"));
        return Prompt(r => r.Sampling = sampling);
    }
}
