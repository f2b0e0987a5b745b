using Google.Protobuf;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Grpc.Reflection.V1;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// Serves reflection under its older name too (grpc.reflection.v1alpha), which many tools still ask for. The messages
/// of both versions are the same on the wire, so one implementation answers both.
/// </summary>
internal sealed class ReflectionServiceMethods : IServiceMethodProvider<ReflectionService>
{
    private const string OlderName = "grpc.reflection.v1alpha.ServerReflection";

    public void OnServiceMethodDiscovery(ServiceMethodProviderContext<ReflectionService> context) =>
        context.AddDuplexStreamingMethod(
            new Method<ServerReflectionRequest, ServerReflectionResponse>(
                MethodType.DuplexStreaming, OlderName, nameof(ReflectionService.ServerReflectionInfo),
                Marshallers.Create(
                    static message => message.ToByteArray(), ServerReflectionRequest.Parser.ParseFrom),
                Marshallers.Create(
                    static message => message.ToByteArray(), ServerReflectionResponse.Parser.ParseFrom)),
            GenerationServiceMethods.Post, static (service, requests, responses, call) => service.ServerReflectionInfo(requests, responses, call));
}
