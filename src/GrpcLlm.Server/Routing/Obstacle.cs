using GrpcLlm.Server.Backends;

namespace GrpcLlm.Server.Routing;

/// <summary>Why a lane is not tried now.</summary>
/// <param name="Failure">The failure that an attempt would count as.</param>
/// <param name="Wait">Time until it may be tried.</param>
/// <param name="KeyRefused">Whether its key is out.</param>
internal readonly record struct Obstacle(BackendFailure Failure, TimeSpan Wait, bool KeyRefused = false)
{
    /// <summary>The failure of a call that finds nothing else.</summary>
    public BackendException ToException() => new(
        Failure,
        KeyRefused ? "The backend refused every key."
            : Failure == BackendFailure.RateLimited ? "Every key of the backend is cooling down."
            : "The backend failed lately and is given a rest.")
    {
        RetryAfter = Wait,
        KeyRefused = KeyRefused,
    };
}
