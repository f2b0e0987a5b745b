using System.Diagnostics.Metrics;
using GrpcLlm.Client;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers <see cref="GrpcLlmClient"/>.</summary>
public static class GrpcLlmServiceCollectionExtensions
{
    /// <summary>
    /// Registers the one <see cref="GrpcLlmClient"/> of an application. Its options are checked when the host starts, and
    /// where there is no host at first use: <see cref="OptionsValidationException"/> names every error.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options; called when the client is made.</param>
    /// <returns>The options, for settings that need other services: <c>.Configure&lt;T&gt;(…)</c>.</returns>
    public static OptionsBuilder<GrpcLlmClientOptions> AddGrpcLlmClient(
        this IServiceCollection services, Action<GrpcLlmClientOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddSingleton(static provider => Create(provider, Options.Options.DefaultName));
        return AddOptions(services, Options.Options.DefaultName, configure);
    }

    /// <summary>
    /// Registers a <see cref="GrpcLlmClient"/> of that name, for applications with several deployments: a keyed service, had
    /// by <c>[FromKeyedServices("name")]</c>. Otherwise as the overload without a name.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="name">Name of the client: its key and the name of its options.</param>
    /// <param name="configure">Sets the options; called when the client is made.</param>
    /// <returns>The options, for settings that need other services: <c>.Configure&lt;T&gt;(…)</c>.</returns>
    public static OptionsBuilder<GrpcLlmClientOptions> AddGrpcLlmClient(
        this IServiceCollection services, string name, Action<GrpcLlmClientOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(name);
        services.TryAddKeyedSingleton(name, static (provider, key) => Create(provider, (string)key!));
        return AddOptions(services, name, configure);
    }

    private static OptionsBuilder<GrpcLlmClientOptions> AddOptions(
        IServiceCollection services, string name, Action<GrpcLlmClientOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<GrpcLlmClientOptions>, GrpcLlmClientOptionsValidator>());
        return services.AddOptions<GrpcLlmClientOptions>(name)
            .Configure<IServiceProvider>(static (options, provider) => UseServices(options, provider))
            .Configure(configure)
            .ValidateOnStart();
    }

    private static void UseServices(GrpcLlmClientOptions options, IServiceProvider provider)
    {
        options.TimeProvider = provider.GetService<TimeProvider>() ?? options.TimeProvider;
        options.MeterFactory = provider.GetService<IMeterFactory>();
        options.LoggerFactory = provider.GetService<ILoggerFactory>();
    }

    private static GrpcLlmClient Create(IServiceProvider provider, string name) =>
        new(provider.GetRequiredService<IOptionsMonitor<GrpcLlmClientOptions>>().Get(name));
}
