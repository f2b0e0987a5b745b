using GrpcLlm.Server.Backends;

namespace GrpcLlm.Server.Routing;

/// <summary>An answer whose first token is at hand; from here on there is no second attempt.</summary>
/// <param name="AtHand">
/// The first delta, or the end of an answer without tokens; before it the signatures that came earlier.
/// </param>
/// <param name="Arrival">When the first token arrived, in microseconds since acceptance.</param>
/// <param name="Rest">The events behind it. The relay owns and disposes it.</param>
internal sealed record OpenedAnswer(
    IReadOnlyList<BackendEvent> AtHand, long Arrival, IAsyncEnumerator<BackendEvent> Rest);
