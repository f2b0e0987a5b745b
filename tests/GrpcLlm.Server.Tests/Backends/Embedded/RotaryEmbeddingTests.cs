using GrpcLlm.Server.Backends.Embedded;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

public sealed class RotaryEmbeddingTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public void Dispose() => File.Delete(_path);

    [Theory]
    [InlineData("llama.rope.scaling.factor", "linear")]
    [InlineData("llama.rope.scaling.factor", null)]
    [InlineData("llama.rope.scale_linear", null)]
    public void Angles_LinearScaling_AreThoseOfThePositionDivided(string key, string? type)
    {
        GgufBuilder builder = GgufBuilder.Of(TestModels.PathOf(TestModels.RopeFactors)).Key("llama.rope.scaling.type", type);
        float[] scaled = AnglesAt(12, builder.Key(key, 4f));
        scaled.ShouldBe(AnglesAt(3, builder.Key(key, null)));
        scaled.ShouldNotBe(AnglesAt(12, builder));
    }

    [Fact]
    public void Angles_ScalingOfTypeNone_AreThoseWithoutIt()
    {
        GgufBuilder builder = GgufBuilder.Of(TestModels.PathOf(TestModels.RopeFactors));
        float[] plain = AnglesAt(12, builder);
        AnglesAt(12, builder.Key("llama.rope.scaling.type", "none").Key("llama.rope.scaling.factor", 4f)).ShouldBe(plain);
    }

    private float[] AnglesAt(int position, GgufBuilder builder)
    {
        File.WriteAllBytes(_path, builder.Build());
        using EmbeddedModel model = EmbeddedModel.Load(_path);
        float[] turns = new float[2 * model.Network.Rotary.Pairs];
        model.Network.Rotary.Angles(position, turns);
        return turns;
    }
}
