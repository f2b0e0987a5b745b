using GrpcLlm.Server.Tests.Backends.Embedded.Fuzz;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>A model file: refused with a message, or loaded, and then run for a token.</summary>
internal sealed class GgufTarget : FuzzTarget
{
    public override string Name => "gguf";

    public override byte[] Make(Random random, IReadOnlyList<byte[]> corpus) => GgufMutator.Next(random);

    public override void Check(byte[] input)
    {
        using var check = new GgufCheck();
        check.Check(input);
    }

    /// <summary>What loading allocates is checked by itself; running it takes buffers as wide as the file says.</summary>
    public override long MaxAllocation(int inputLength) => 1L << 30;
}
