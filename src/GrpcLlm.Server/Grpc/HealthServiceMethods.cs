using Google.Protobuf;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Grpc.Health.V1;

namespace GrpcLlm.Server.Grpc;

/// <summary>Binds grpc.health.v1 in place of the generated binding: see <see cref="CheckedMarshaller.ForStandardRequest"/>.</summary>
internal sealed class HealthServiceMethods : IServiceMethodProvider<HealthService>
{
    private static readonly string ServiceName = HealthReflection.Descriptor.Services[0].FullName;

    public void OnServiceMethodDiscovery(ServiceMethodProviderContext<HealthService> context)
    {
        context.AddUnaryMethod(
            Method(MethodType.Unary, nameof(HealthService.Check), HealthCheckRequest.Parser, HealthCheckResponse.Parser),
            GenerationServiceMethods.Post, static (service, request, call) => service.Check(request, call));
        context.AddUnaryMethod(
            Method(MethodType.Unary, nameof(HealthService.List), HealthListRequest.Parser, HealthListResponse.Parser),
            GenerationServiceMethods.Post, static (service, request, call) => service.List(request, call));
        context.AddServerStreamingMethod(
            Method(MethodType.ServerStreaming, nameof(HealthService.Watch), HealthCheckRequest.Parser, HealthCheckResponse.Parser),
            GenerationServiceMethods.Post, static (service, request, stream, call) => service.Watch(request, stream, call));
    }

    private static Method<TRequest, TResponse> Method<TRequest, TResponse>(
        MethodType type, string name, MessageParser<TRequest> request, MessageParser<TResponse> response)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new() =>
        new(type, ServiceName, name, CheckedMarshaller.ForStandardRequest(request), CheckedMarshaller.ForResponse(response));
}
