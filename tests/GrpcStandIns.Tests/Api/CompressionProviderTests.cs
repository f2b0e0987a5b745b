using System.IO.Compression;
using System.Text;
using Grpc.Net.Compression;

namespace GrpcStandIns.Tests.Api;

public class CompressionProviderTests
{
    private static readonly byte[] Plain = Encoding.UTF8.GetBytes(new string('a', 10_000));

    public static TheoryData<ICompressionProvider, string> Providers => new()
    {
        { new GzipCompressionProvider(CompressionLevel.Fastest), "gzip" },
        { new DeflateCompressionProvider(CompressionLevel.Fastest), "deflate" },
    };

    [Theory]
    [MemberData(nameof(Providers))]
    public void Provider_HasItsNameOnTheWire(ICompressionProvider provider, string name) =>
        provider.EncodingName.ShouldBe(name);

    [Theory]
    [MemberData(nameof(Providers))]
    public void Compressed_IsSmallerAndDecompressesToTheSame(ICompressionProvider provider, string _)
    {
        var compressed = Compress(provider, level: null);
        using var plain = new MemoryStream();
        using (var stream = provider.CreateDecompressionStream(new MemoryStream(compressed))) stream.CopyTo(plain);

        compressed.Length.ShouldBeLessThan(Plain.Length / 10);
        plain.ToArray().ShouldBe(Plain);
    }

    [Theory]
    [MemberData(nameof(Providers))]
    public void CompressionStream_Disposed_LeavesTheOutputOpen(ICompressionProvider provider, string _)
    {
        using var output = new MemoryStream();

        provider.CreateCompressionStream(output, compressionLevel: null).Dispose();

        output.CanWrite.ShouldBeTrue();
    }

    [Fact]
    public void Level_GivenForAMessage_TakesThePlaceOfTheDefault()
    {
        var provider = new GzipCompressionProvider(CompressionLevel.SmallestSize);

        Compress(provider, CompressionLevel.NoCompression).Length.ShouldBeGreaterThanOrEqualTo(Plain.Length);
        Compress(provider, level: null).Length.ShouldBeLessThan(Plain.Length / 10);
    }

    private static byte[] Compress(ICompressionProvider provider, CompressionLevel? level)
    {
        using var output = new MemoryStream();
        using (var stream = provider.CreateCompressionStream(output, level)) stream.Write(Plain);
        return output.ToArray();
    }
}
