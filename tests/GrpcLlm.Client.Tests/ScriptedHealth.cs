using Grpc.Core;
using Grpc.Health.V1;

namespace GrpcLlm.Client.Tests;

/// <summary>A health service that answers what a test says.</summary>
internal sealed class ScriptedHealth : Health.HealthBase
{
    public HealthCheckResponse.Types.ServingStatus Status { get; set; } = HealthCheckResponse.Types.ServingStatus.Serving;

    public override Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context) =>
        Task.FromResult(new HealthCheckResponse { Status = Status });
}
