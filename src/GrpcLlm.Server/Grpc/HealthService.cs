using Grpc.Core;
using Grpc.Health.V1;
using GrpcLlm.Server.Hosting;
using GrpcLlm.V1;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// The standard health service (grpc.health.v1): overall under the empty name, and per service. Thread-safe.
/// </summary>
internal sealed class HealthService(Readiness readiness)
{
    private static readonly string[] Services = ["", GenerationReflection.Descriptor.Services[0].FullName];

    /// <summary>The status of one service.</summary>
    public Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context)
    {
        if (!IsKnown(request.Service)) throw new RpcException(new Status(StatusCode.NotFound, "No such service here."));
        return Task.FromResult(new HealthCheckResponse { Status = Current().Status });
    }

    /// <summary>The status of each service.</summary>
    public Task<HealthListResponse> List(HealthListRequest request, ServerCallContext context)
    {
        var response = new HealthListResponse();
        foreach (var service in Services)
            response.Statuses[service] = new HealthCheckResponse { Status = Current().Status };
        return Task.FromResult(response);
    }

    /// <summary>Sends the status at once and on every change, until the client leaves or the server is gone.</summary>
    public async Task Watch(
        HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context)
    {
        var known = IsKnown(request.Service);
        ServingStatus? sent = null;
        try
        {
            while (true)
            {
                // Read before the state, so that the last state is told to the last watcher.
                var over = readiness.Over.IsCompleted;
                var (status, changed) = Current();
                if (!known) status = ServingStatus.ServiceUnknown;
                if (status != sent) await responseStream.WriteAsync(new HealthCheckResponse { Status = status });
                if (over) return;
                sent = status;
                await Task.WhenAny(changed, readiness.Over).WaitAsync(context.CancellationToken);
            }
        }
        catch (OperationCanceledException) when (context.CancellationToken.IsCancellationRequested)
        {
            // The client no longer watches, which is how every Watch ends.
        }
    }

    private (ServingStatus Status, Task Changed) Current()
    {
        var (ready, changed) = readiness.Read();
        return (ready ? ServingStatus.Serving : ServingStatus.NotServing, changed);
    }

    private static bool IsKnown(string service) => Services.Contains(service, StringComparer.Ordinal);
}
