using Grpc.AspNetCore.Server;
using Grpc.Core;
using Grpc.Core.Interceptors;
using GrpcLlm.FunctionalTests.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace GrpcLlm.FunctionalTests.Conformance;

/// <summary>Notes what reached the method: deadline and metadata, as gRPC hands them out. For one call.</summary>
internal sealed class CallProbe : Interceptor
{
    /// <summary>The deadline; null: the method was not reached.</summary>
    public DateTime? Deadline { get; private set; }

    /// <summary>The metadata of the request; null: the method was not reached.</summary>
    public Metadata? Metadata { get; private set; }

    /// <summary>Starts a server with a probe in it.</summary>
    public static async Task<(LlmServer Server, CallProbe Probe)> StartAsync(ScriptedBackend backend, params string[] settings)
    {
        var probe = new CallProbe();
        var server = await LlmServer.StartAsync(
            backend, builder =>
            {
                builder.Services.AddSingleton(probe);
                builder.Services.Configure<GrpcServiceOptions>(static grpc => grpc.Interceptors.Add<CallProbe>());
            }, settings);
        return (server, probe);
    }

    public override Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
        ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        Deadline = context.Deadline;
        Metadata = context.RequestHeaders;
        return continuation(request, responseStream, context);
    }
}
