using Grpc.Core;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests;

/// <summary>A service that does what a test says. A call that no test expects fails with Unimplemented.</summary>
internal sealed class ScriptedService : GenerationService.GenerationServiceBase
{
    private readonly TaskCompletionSource _cancelSeen = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when the server has seen the client's cancel.</summary>
    public Task CancelSeen => _cancelSeen.Task;

    /// <summary>What Generate does.</summary>
    public Func<GenerateRequest, IServerStreamWriter<TokenChunk>, ServerCallContext, Task>? OnGenerate { get; set; }

    /// <summary>Sees the headers of every call.</summary>
    public Action<Metadata>? OnHeaders { get; set; }

    public Func<ListModelsRequest, ListModelsResponse>? OnListModels { get; set; }

    public Func<CountTokensRequest, CountTokensResponse>? OnCountTokens { get; set; }

    public Func<CancelGenerationRequest, CancelGenerationResponse>? OnCancel { get; set; }

    /// <summary>Generate streams these chunks, then ends with OK.</summary>
    public void Streams(params TokenChunk[] chunks) => OnGenerate = async (_, stream, context) =>
    {
        foreach (var chunk in chunks) await stream.WriteAsync(chunk, context.CancellationToken);
    };

    /// <summary>Generate streams these chunks, then is silent until the client cancels.</summary>
    public void StreamsThenHangs(params TokenChunk[] chunks) => OnGenerate = async (_, stream, context) =>
    {
        await using var registration = context.CancellationToken.Register(() => _cancelSeen.TrySetResult());
        foreach (var chunk in chunks) await stream.WriteAsync(chunk, context.CancellationToken);
        await CancelSeen;
    };

    /// <summary>Generate streams these chunks, then fails.</summary>
    public void StreamsThenFails(RpcException failure, params TokenChunk[] chunks) => OnGenerate = async (_, stream, context) =>
    {
        foreach (var chunk in chunks) await stream.WriteAsync(chunk, context.CancellationToken);
        throw failure;
    };

    public override Task Generate(GenerateRequest request, IServerStreamWriter<TokenChunk> responseStream, ServerCallContext context) =>
        Seen(context, OnGenerate?.Invoke(request, responseStream, context) ?? throw Unexpected());

    public override Task<ListModelsResponse> ListModels(ListModelsRequest request, ServerCallContext context) =>
        Seen(context, Task.FromResult(OnListModels?.Invoke(request) ?? throw Unexpected()));

    public override Task<CountTokensResponse> CountTokens(CountTokensRequest request, ServerCallContext context) =>
        Seen(context, Task.FromResult(OnCountTokens?.Invoke(request) ?? throw Unexpected()));

    public override Task<CancelGenerationResponse> CancelGeneration(CancelGenerationRequest request, ServerCallContext context) =>
        Seen(context, Task.FromResult(OnCancel?.Invoke(request) ?? throw Unexpected()));

    private T Seen<T>(ServerCallContext context, T result)
    {
        OnHeaders?.Invoke(context.RequestHeaders);
        return result;
    }

    private static RpcException Unexpected() => new(new Status(StatusCode.Unimplemented, "no test expects this call"));
}
