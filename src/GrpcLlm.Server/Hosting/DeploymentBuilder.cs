using GrpcLlm.Server.Admission;
using Microsoft.Extensions.Options;

namespace GrpcLlm.Server.Hosting;

/// <summary>Makes deployments of configuration, at the start and on every reload alike. One caller at a time.</summary>
internal sealed class DeploymentBuilder(BackendFactory factory, TimeProvider timeProvider, ILogger<SharedBackend> logger)
{
    /// <summary>Makes a deployment. Backends whose settings did not change are taken over from the one before.</summary>
    /// <param name="settings">What to make it of.</param>
    /// <param name="options">The same, read by <see cref="GrpcLlmOptions.Bind"/>.</param>
    /// <param name="previous">The current one; null at the start.</param>
    /// <exception cref="OptionsValidationException">With every error, each naming its key. What was made is closed.</exception>
    public Deployment Build(SettingsSnapshot settings, GrpcLlmOptions options, Deployment? previous)
    {
        var errors = new List<string>();
        var backends = new Dictionary<string, SharedBackend>(StringComparer.OrdinalIgnoreCase);
        var made = new List<SharedBackend>();
        foreach (var (name, section) in options.Backends)
        {
            // Breakers are made of the common settings too.
            var text = settings.TextOf($"GrpcLlm:Backends:{name}", "GrpcLlm:Resilience");
            if (previous is not null && previous.Backends.TryGetValue(name, out var same) && same.IsMadeOf(text))
            {
                backends.Add(name, same);
            }
            else if (factory.Create(name, section, options.Resilience, errors) is { } pool)
            {
                var shared = new SharedBackend(pool, text, logger);
                made.Add(shared);
                backends.Add(name, shared);
            }
        }

        if (errors.Count == 0)
        {
            // Last, since tenants that stay have their new limits from here on.
            var tenants = previous?.Tenants.Reload(options.Tenants) ?? new TenantDirectory(options.Tenants, timeProvider);
            return new Deployment(settings, options, tenants, ModelCatalogBuilder.Build(options, backends), backends);
        }

        foreach (var unused in made) _ = unused.DisposeAsync().AsTask();
        throw new OptionsValidationException(GrpcLlmOptions.Section, typeof(GrpcLlmOptions), errors);
    }
}
