using System.IO.Compression;
using Grpc.Net.Compression;

namespace GrpcStandIns.Tests.EndToEnd;

public class CompressionTests
{
    private static readonly string LongText = new('a', 50_000);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    public async Task ServerCompresses_ClientDecompresses(string encoding)
    {
        var provider = new CountingProvider(encoding);
        await using var host = await EchoHost.StartAsync(
            new ScriptedEcho { OnUnary = (request, _) => Task.FromResult(request) },
            server => server.ResponseCompressionAlgorithm = encoding,
            client => client.CompressionProviders = [provider]);

        var reply = await host.Client.UnaryAsync(new Note { Text = LongText }, cancellationToken: Token);

        reply.Text.ShouldBe(LongText);
        provider.Decompressed.ShouldBe(1);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    public async Task ClientCompresses_ServerDecompresses(string encoding)
    {
        var seen = new TaskCompletionSource<string>();
        var provider = new CountingProvider(encoding);
        await using var host = await EchoHost.StartAsync(
            new ScriptedEcho
            {
                OnUnary = (request, context) =>
                {
                    seen.SetResult(context.GetHttpContext().Request.Headers["grpc-encoding"].ToString());
                    return Task.FromResult(request);
                },
            },
            client: client => client.CompressionProviders = [provider]);

        var headers = new Metadata { { "grpc-internal-encoding-request", encoding } };
        var reply = await host.Client.UnaryAsync(new Note { Text = LongText }, headers, cancellationToken: Token);

        reply.Text.ShouldBe(LongText);
        (await seen.Task).ShouldBe(encoding);
        provider.Compressed.ShouldBe(1);
    }

    [Fact]
    public async Task Stream_OneMessageAsksForNoCompression_OnlyThatOneIsSentPlain()
    {
        var provider = new CountingProvider("gzip");
        await using var host = await EchoHost.StartAsync(
            new ScriptedEcho
            {
                OnExpand = async (request, responses, context) =>
                {
                    foreach (var flags in new[] { default, WriteFlags.NoCompress, default })
                    {
                        responses.WriteOptions = new WriteOptions(flags);
                        await responses.WriteAsync(request, context.CancellationToken);
                    }
                },
            },
            server => server.ResponseCompressionAlgorithm = "gzip",
            client => client.CompressionProviders = [provider]);

        using var call = host.Client.Expand(new Note { Text = LongText }, cancellationToken: Token);
        var texts = await call.ResponseStream.ReadAllAsync(Token).Select(note => note.Text).ToListAsync(Token);

        texts.ShouldBe([LongText, LongText, LongText]);
        provider.Decompressed.ShouldBe(2);
    }

    [Fact]
    public async Task Stream_HintThatMoreFollows_EveryMessageArrives()
    {
        await using var host = await EchoHost.StartAsync(new ScriptedEcho
        {
            OnExpand = async (request, responses, context) =>
            {
                foreach (var flags in new[] { WriteFlags.BufferHint, WriteFlags.BufferHint, default })
                {
                    responses.WriteOptions = new WriteOptions(flags);
                    await responses.WriteAsync(request, context.CancellationToken);
                }
            },
        });

        using var call = host.Client.Expand(new Note { Text = "one" }, cancellationToken: Token);

        (await call.ResponseStream.ReadAllAsync(Token).CountAsync(Token)).ShouldBe(3);
    }

    private sealed class CountingProvider(string encoding) : ICompressionProvider
    {
        private readonly ICompressionProvider _inner = string.Equals(encoding, "gzip", StringComparison.Ordinal)
            ? new GzipCompressionProvider(CompressionLevel.Fastest)
            : new DeflateCompressionProvider(CompressionLevel.Fastest);

        private int _compressed;
        private int _decompressed;

        public int Compressed => _compressed;

        public int Decompressed => _decompressed;

        public string EncodingName => _inner.EncodingName;

        public Stream CreateCompressionStream(Stream stream, CompressionLevel? compressionLevel)
        {
            Interlocked.Increment(ref _compressed);
            return _inner.CreateCompressionStream(stream, compressionLevel);
        }

        public Stream CreateDecompressionStream(Stream stream)
        {
            Interlocked.Increment(ref _decompressed);
            return _inner.CreateDecompressionStream(stream);
        }
    }
}
