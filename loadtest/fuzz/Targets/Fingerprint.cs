namespace GrpcLlm.Fuzz.Targets;

/// <summary>Random numbers that depend on an input, so that a check is the same whenever it is repeated.</summary>
internal static class Fingerprint
{
    public static Random RandomOf(ReadOnlySpan<byte> input)
    {
        var hash = 2_166_136_261u;
        foreach (var one in input) hash = (hash ^ one) * 16_777_619;
        return new Random((int)hash);
    }
}
