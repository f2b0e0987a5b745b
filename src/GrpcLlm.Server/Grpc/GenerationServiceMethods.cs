using Google.Protobuf;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// Binds the methods of the contract with marshallers that check what they read (see <see cref="CheckedMarshaller"/>),
/// in place of the generated binding.
/// </summary>
internal sealed class GenerationServiceMethods : IServiceMethodProvider<GenerationService>
{
    /// <summary>Without it routing would take any verb; gRPC over HTTP/2 knows POST only.</summary>
    internal static readonly IList<object> Post = [new HttpMethodMetadata([HttpMethods.Post])];

    private static readonly string ServiceName = GenerationReflection.Descriptor.Services[0].FullName;

    public void OnServiceMethodDiscovery(ServiceMethodProviderContext<GenerationService> context)
    {
        context.AddServerStreamingMethod(
            Method(MethodType.ServerStreaming, nameof(GenerationService.Generate), GenerateRequest.Parser, TokenChunk.Parser),
            Post, static (service, request, stream, call) => service.Generate(request, stream, call));
        context.AddUnaryMethod(
            Method(MethodType.Unary, nameof(GenerationService.CancelGeneration), CancelGenerationRequest.Parser, CancelGenerationResponse.Parser),
            Post, static (service, request, call) => service.CancelGeneration(request, call));
        context.AddUnaryMethod(
            Method(MethodType.Unary, nameof(GenerationService.CountTokens), CountTokensRequest.Parser, CountTokensResponse.Parser),
            Post, static (service, request, call) => service.CountTokens(request, call));
        context.AddUnaryMethod(
            Method(MethodType.Unary, nameof(GenerationService.ListModels), ListModelsRequest.Parser, ListModelsResponse.Parser),
            Post, static (service, request, call) => service.ListModels(request, call));
    }

    private static Method<Received<TRequest>, TResponse> Method<TRequest, TResponse>(
        MethodType type, string name, MessageParser<TRequest> request, MessageParser<TResponse> response)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new() =>
        new(type, ServiceName, name, CheckedMarshaller.ForRequest(request), CheckedMarshaller.ForResponse(response));
}
