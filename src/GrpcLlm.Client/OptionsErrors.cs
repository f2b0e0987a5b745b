namespace GrpcLlm.Client;

/// <summary>Everything that is wrong with a client's options, each error with the name of its option and never a secret.</summary>
internal static class OptionsErrors
{
    private static readonly TimeSpan ShortestPing = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    /// <summary>The errors; none if the options are good.</summary>
    /// <param name="options">The options.</param>
    /// <param name="ownsChannel">Whether the client opens a channel of its own, and so needs an address.</param>
    public static List<string> Of(GrpcLlmClientOptions options, bool ownsChannel)
    {
        var errors = new List<string>();
        AddAddress(errors, options, ownsChannel);
        AddCredentials(errors, options, ownsChannel);
        Require(errors, options.DefaultModel is not null, "DefaultModel", "is null; leave it empty for the deployment's default");
        Require(errors, options.GenerateTimeout is null || IsTimeout(options.GenerateTimeout.Value), "GenerateTimeout", "must be above 0");
        Require(errors, IsTimeout(options.UnaryTimeout), "UnaryTimeout", "must be above 0");
        Require(errors, IsTimeout(options.ConnectTimeout), "ConnectTimeout", "must be above 0");
        Require(errors, IsPing(options.KeepAlivePingDelay), "KeepAlivePingDelay", "must be at least 1 second, or infinite");
        Require(errors, IsPing(options.KeepAlivePingTimeout), "KeepAlivePingTimeout", "must be at least 1 second, or infinite");
        Require(errors, options.MaxReceiveMessageSize >= 1, "MaxReceiveMessageSize", "must be at least 1 byte");
        Require(errors, options.TimeProvider is not null, "TimeProvider", "is null");
        AddRetry(errors, options.Retry);
        return errors;
    }

    private static void AddAddress(List<string> errors, GrpcLlmClientOptions options, bool ownsChannel)
    {
        if (options.Address is null)
        {
            Require(errors, !ownsChannel, "Address", "is not set");
            return;
        }

        Require(
            errors, options.Address is { IsAbsoluteUri: true, Scheme: "http" or "https" },
            "Address", $"'{options.Address}' is not an http or https address");
    }

    private static void AddCredentials(List<string> errors, GrpcLlmClientOptions options, bool ownsChannel)
    {
        Require(
            errors, options.ApiKey is null || BearerToken.IsValid(options.ApiKey),
            "ApiKey", "must be one or more visible ASCII characters");
        Require(errors, options.ApiKey is null || options.TokenProvider is null, "ApiKey", "and TokenProvider exclude each other");

        var hasCredentials = options.ApiKey is not null || options.TokenProvider is not null;
        var isPlain = options.Address is { IsAbsoluteUri: true, Scheme: "http", IsLoopback: false };
        Require(
            errors, !ownsChannel || !hasCredentials || !isPlain || options.AllowInsecureCredentials,
            options.ApiKey is not null ? "ApiKey" : "TokenProvider",
            "would be readable on the way to a plain http address; use https, or set AllowInsecureCredentials");
    }

    private static void AddRetry(List<string> errors, GrpcLlmRetryOptions retry)
    {
        Require(errors, retry.MaxAttempts is >= 1 and <= 10, "Retry.MaxAttempts", "must be 1 to 10");
        Require(errors, IsBetween(retry.BaseDelay, TimeSpan.FromMinutes(1)), "Retry.BaseDelay", "must be 0 to 1 minute");
        Require(errors, IsBetween(retry.MaxDelay, TimeSpan.FromMinutes(10)), "Retry.MaxDelay", "must be 0 to 10 minutes");
        Require(errors, retry.MaxDelay >= retry.BaseDelay, "Retry.MaxDelay", "must not be below Retry.BaseDelay");
        Require(
            errors, retry.Budget > TimeSpan.Zero && retry.Budget <= Longest, "Retry.Budget", "must be above 0 and at most 1 day");
    }

    private static bool IsTimeout(TimeSpan value) => value > TimeSpan.Zero || value == Timeout.InfiniteTimeSpan;

    private static bool IsPing(TimeSpan value) => value >= ShortestPing || value == Timeout.InfiniteTimeSpan;

    private static bool IsBetween(TimeSpan value, TimeSpan most) => value >= TimeSpan.Zero && value <= most;

    private static void Require(List<string> errors, bool holds, string option, string problem)
    {
        if (!holds) errors.Add($"{option} {problem}.");
    }
}
