using System.Buffers;
using Grpc.Core;
using GrpcLlm.Server.Grpc;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Hosting;

/// <summary>A call without a connection; see <see cref="Rehearsal"/>.</summary>
internal sealed class RehearsalContext : ServerCallContext
{
    public RehearsalContext(TimeProvider time)
    {
        var http = new DefaultHttpContext();
        http.Features.Set(new CallClock(time));

        // Where Grpc.AspNetCore.Server's GetHttpContext looks in contexts that are not its own.
        UserState["__HttpContext"] = http;
    }

    protected override string MethodCore => "/grpcllm.v1.GenerationService/Generate";

    protected override string HostCore => "";

    protected override string PeerCore => "";

    protected override DateTime DeadlineCore => DateTime.MaxValue;

    protected override Metadata RequestHeadersCore { get; } = [];

    protected override CancellationToken CancellationTokenCore => CancellationToken.None;

    protected override Metadata ResponseTrailersCore { get; } = [];

    protected override Status StatusCore { get; set; }

    protected override WriteOptions? WriteOptionsCore { get; set; }

    protected override AuthContext AuthContextCore { get; } = new("", []);

    protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders) => Task.CompletedTask;

    protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options) =>
        throw new NotSupportedException();
}

/// <summary>A request's bytes.</summary>
internal sealed class RehearsalPayload(byte[] bytes) : DeserializationContext
{
    public override int PayloadLength => bytes.Length;

    public override byte[] PayloadAsNewBuffer() => [.. bytes];

    public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => new(bytes);
}

/// <summary>Serializes messages, and drops them.</summary>
internal sealed class RehearsalStream : IServerStreamWriter<TokenChunk>
{
    private readonly Marshaller<TokenChunk> _marshaller = CheckedMarshaller.ForResponse(TokenChunk.Parser);

    /// <summary>Messages so far.</summary>
    public int Messages { get; private set; }

    public WriteOptions? WriteOptions { get; set; }

    public Task WriteAsync(TokenChunk message)
    {
        _marshaller.ContextualSerializer(message, new Dropped());
        Messages++;
        return Task.CompletedTask;
    }

    private sealed class Dropped : SerializationContext
    {
        private readonly ArrayBufferWriter<byte> _bytes = new();

        public override IBufferWriter<byte> GetBufferWriter() => _bytes;

        public override void Complete()
        {
        }
    }
}
