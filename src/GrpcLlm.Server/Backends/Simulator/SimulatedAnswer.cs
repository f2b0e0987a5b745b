using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>What one answer will be: settled before it begins.</summary>
/// <param name="Seed">What it was drawn from.</param>
/// <param name="InputTokens">Tokens of the request.</param>
/// <param name="OutputTokens">Tokens of the answer, if nothing goes wrong.</param>
/// <param name="IsCut">Whether a limit of the request ends it, not its own end.</param>
/// <param name="Fault">What goes wrong.</param>
/// <param name="Schedule">When its tokens are due.</param>
internal sealed record SimulatedAnswer(
    long Seed, uint InputTokens, uint OutputTokens, bool IsCut, SimulatorFault Fault, SimulatorSchedule Schedule)
{
    /// <summary>The end of it.</summary>
    public BackendEnding Ending => new(IsCut ? FinishReason.Length : FinishReason.Stop)
    {
        RawReason = IsCut ? "length" : "stop",
        Usage = new Usage { InputTokens = InputTokens, OutputTokens = OutputTokens, Source = UsageSource.Counted },
    };

    /// <summary>
    /// An answer has exactly as many tokens as the request's limit says. Without one, or where the call chose a number
    /// by metadata, it has that number, or the configured one, unless the limit is smaller.
    /// </summary>
    public static (uint Tokens, bool IsCut) LengthOf(BackendCall call, SimulatorOptions options, SimulatorOverrides overrides)
    {
        var most = call.MaxOutputTokens ?? uint.MaxValue;
        if (overrides.OutputTokens is null && call.MaxOutputTokens is not null) return (most, true);
        var own = Math.Max(overrides.OutputTokens ?? (uint)options.OutputTokens, call.Request.Limits?.MinOutputTokens ?? 0);
        return own <= most ? (own, false) : (most, true);
    }
}
