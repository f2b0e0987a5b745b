namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>Rules of <see cref="SimulatorOptions"/> that span several settings. Stateless.</summary>
internal static class SimulatorRules
{
    // Rates are written in decimals, whose sum may come out a little above 1.
    private const double MaxRates = 1 + 1e-9;

    /// <summary>Adds every error, each naming its key.</summary>
    /// <param name="options">Settings, in range each for itself or already complained about.</param>
    /// <param name="path">Key of their section.</param>
    /// <param name="errors">Where errors go.</param>
    public static void Check(SimulatorOptions options, string path, List<string> errors)
    {
        if (options is { TimeFactorUnderLoad: > 1, MaxConcurrent: < 2 })
            errors.Add($"{path}:TimeFactorUnderLoad: needs a MaxConcurrent of 2 or more, the load at which it is reached");
        if (options.PauseEvery == TimeSpan.Zero && options.PauseLength > TimeSpan.Zero)
            errors.Add($"{path}:PauseLength: needs PauseEvery");
        if (options.PauseEvery > TimeSpan.Zero && options.PauseLength == TimeSpan.Zero)
            errors.Add($"{path}:PauseEvery: needs PauseLength");
        if (options.PauseEvery > TimeSpan.Zero && options.PauseLength >= options.PauseEvery)
            errors.Add($"{path}:PauseLength: must be less than PauseEvery, {options.PauseEvery}");
        for (var index = 0; index < options.Faults.Count; index++) CheckFault(options.Faults[index], $"{path}:Faults:{index}", errors);
        if (options.Faults.Sum(static fault => fault.Rate) > MaxRates)
            errors.Add($"{path}:Faults: the Rates of all faults are together more than 1; an answer has at most one");
    }

    private static void CheckFault(SimulatorFaultOptions options, string path, List<string> errors)
    {
        // An empty kind has been complained about.
        if (options.Kind.Length == 0) return;
        if (!SimulatorFault.TryParseKind(options.Kind, out var fault) || fault == SimulatorFault.None)
        {
            errors.Add($"{path}:Kind: '{options.Kind}' is not {SimulatorFault.Words}");
            return;
        }

        if (options.AfterTokens > 0 && !fault.MayFollowTokens) errors.Add($"{path}:AfterTokens: has no meaning with {options.Kind}");
        if (options.RetryAfter is not null && (fault.Kind != SimulatorFaultKind.Status || options.AfterTokens > 0))
            errors.Add($"{path}:RetryAfter: needs a status as the Kind, and no AfterTokens");
        if (options.Factor is not null && fault.Kind != SimulatorFaultKind.Slow) errors.Add($"{path}:Factor: has no meaning with {options.Kind}");
    }
}
