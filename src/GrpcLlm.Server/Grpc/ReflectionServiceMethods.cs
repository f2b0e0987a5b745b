using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Grpc.Reflection.V1;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// Binds reflection in place of the generated binding (see <see cref="CheckedMarshaller.ForStandardRequest"/>), and under
/// its older name too (grpc.reflection.v1alpha), which many tools still ask for. The messages of both versions are the same
/// on the wire, so one implementation answers both.
/// </summary>
internal sealed class ReflectionServiceMethods : IServiceMethodProvider<ReflectionService>
{
    private static readonly string[] Names =
        [ReflectionReflection.Descriptor.Services[0].FullName, "grpc.reflection.v1alpha.ServerReflection"];

    public void OnServiceMethodDiscovery(ServiceMethodProviderContext<ReflectionService> context)
    {
        foreach (var name in Names)
        {
            context.AddDuplexStreamingMethod(
                new Method<ServerReflectionRequest, ServerReflectionResponse>(
                    MethodType.DuplexStreaming, name, nameof(ReflectionService.ServerReflectionInfo),
                    CheckedMarshaller.ForStandardRequest(ServerReflectionRequest.Parser),
                    CheckedMarshaller.ForResponse(ServerReflectionResponse.Parser)),
                GenerationServiceMethods.Post,
                static (service, requests, responses, call) => service.ServerReflectionInfo(requests, responses, call));
        }
    }
}
