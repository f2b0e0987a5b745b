namespace GrpcLlm.Server.Hosting;

/// <summary>
/// Keeps secrets of callers out of the framework's own logs, whatever levels the operator asks for. Stateless.
/// </summary>
internal static class SecretLogs
{
    // Logs the query of every request at level Information, and callers have put keys there.
    private const string RequestLog = "Microsoft.AspNetCore.Hosting.Diagnostics";

    /// <summary>Bounds the categories in question, with the rules of the configuration and after each reload of them.</summary>
    public static void Bound(IServiceCollection services) => services.PostConfigure<LoggerFilterOptions>(static options =>
    {
        // A rule for one provider goes before one for all, so there is one for each that has any; the last one counts.
        string?[] providers = [.. options.Rules.Select(static rule => rule.ProviderName).Append(null).Distinct(StringComparer.Ordinal)];
        foreach (var provider in providers)
            options.Rules.Add(new LoggerFilterRule(provider, RequestLog, LogLevel.Warning, filter: null));
    });
}
