using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using GrpcLlm.V1;
using RpcStatus = Google.Rpc.Status;
using Status = Grpc.Core.Status;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>Paths of the methods, for raw calls.</summary>
internal static class Paths
{
    public const string Generate = "/grpcllm.v1.GenerationService/Generate";
    public const string ListModels = "/grpcllm.v1.GenerationService/ListModels";
}

/// <summary>A call that was read to its end, whatever the end.</summary>
internal sealed class Answer
{
    private Answer(IReadOnlyList<TokenChunk> chunks, Metadata headers, Status status, Metadata trailers)
    {
        Chunks = chunks;
        Headers = headers;
        Status = status;
        Trailers = trailers;
    }

    public IReadOnlyList<TokenChunk> Chunks { get; }

    public Metadata Headers { get; }

    public Status Status { get; }

    public Metadata Trailers { get; }

    public string Text => string.Concat(Chunks.Select(static chunk => chunk.Text));

    public Finish Finish => Chunks[^1].Finish;

    public GenerationSummary Summary => GenerationSummary.Parser.ParseFrom(Trailers.GetValueBytes("generation-summary-bin"));

    public RpcStatus Details => RpcStatus.Parser.ParseFrom(
        Trailers.GetValueBytes("grpc-status-details-bin") ?? throw new InvalidOperationException($"There are no details: {Status}"));

    public string Reason => Detail<ErrorInfo>().Reason;

    public IDictionary<string, string> ErrorMetadata => Detail<ErrorInfo>().Metadata;

    public string? Trailer(string name) => Trailers.GetValue(name);

    public T Detail<T>()
        where T : IMessage<T>, new() => Details.Details.Single(static any => any.Is(new T().Descriptor)).Unpack<T>();

    /// <summary>Makes a call and reads it to its end.</summary>
    public static async Task<Answer> OfAsync(
        LlmServer server, GenerateRequest request, DateTime? deadline = null, Metadata? metadata = null)
    {
        using var call = server.Client.Generate(
            request, metadata, deadline, cancellationToken: TestContext.Current.CancellationToken);
        return await OfAsync(call);
    }

    /// <summary>Reads a call to its end.</summary>
    /// <param name="call">The call.</param>
    /// <param name="read">What was read of it before.</param>
    public static async Task<Answer> OfAsync(AsyncServerStreamingCall<TokenChunk> call, params TokenChunk[] read)
    {
        var chunks = new List<TokenChunk>(read);
        try
        {
            while (await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken))
                chunks.Add(call.ResponseStream.Current);
        }
        catch (RpcException)
        {
            // The status is read below, as on success.
        }

        return new Answer(chunks, await call.ResponseHeadersAsync, call.GetStatus(), call.GetTrailers());
    }
}
