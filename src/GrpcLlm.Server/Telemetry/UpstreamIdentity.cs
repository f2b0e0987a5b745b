using GrpcLlm.Server.Backends;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// What metrics and spans tell of the upstream that an attempt is made at. All of it is configuration, so there are as many
/// as there are routes. Immutable.
/// </summary>
/// <param name="Backend">Configured name of the backend.</param>
/// <param name="Provider">Its provider, as the semantic conventions name it where they do.</param>
/// <param name="Model">The backend's own name of the model.</param>
/// <param name="Address">Host of its base URL; null for a model in this process.</param>
/// <param name="Port">Port of its base URL, a boxed <see cref="int"/>; null for a model in this process.</param>
internal sealed record UpstreamIdentity(string Backend, string Provider, string Model, string? Address, object? Port)
{
    /// <summary>The identity of a route.</summary>
    public static UpstreamIdentity Of(IBackend backend, string model) => new(
        backend.Name, backend.ProviderName, model,
        backend.Address?.Host, backend.Address?.Port);
}
