using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace GrpcLlm.Server.Tests.Testing;

/// <summary>Ways into backends of a test.</summary>
internal static class Lanes
{
    public static LanePool To(
        IBackend backend, ResilienceOptions? options = null, TimeProvider? time = null, ILogger<LanePool>? logger = null) =>
        new(backend, options ?? new ResilienceOptions(), time ?? new FakeTimeProvider(), logger ?? NullLogger<LanePool>.Instance);

    public static ModelRoute Route(IBackend backend, string model = "m") => new(To(backend), model);
}
