using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Telemetry;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// What a call holds from its admission to its end: a place among the running ones, and its count of the tenant's tokens.
/// Disposing it frees the place and settles what was used; a second time does nothing. Not thread-safe.
/// </summary>
internal sealed class CallPlace(GenerationRecord record) : IDisposable
{
    private AdmittedCall? _admitted;

    /// <summary>Counts the call's tokens against the tenant's; null: they are not limited.</summary>
    public TokenMeter? Meter => _admitted?.Tokens;

    /// <summary>The call was admitted.</summary>
    public void Take(AdmittedCall admitted) => _admitted = admitted;

    public void Dispose()
    {
        if (_admitted is not { } admitted) return;
        _admitted = null;
        if (admitted.Tokens is not null) admitted.Settle(record.UsedTokens());
        admitted.Dispose();
    }
}
