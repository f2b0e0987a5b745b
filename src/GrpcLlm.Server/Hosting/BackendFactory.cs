using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Anthropic;
using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Backends.Gemini;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.Server.Backends.Ollama;
using GrpcLlm.Server.Backends.OpenAi;
using GrpcLlm.Server.Backends.Simulator;
using GrpcLlm.Server.Routing;

namespace GrpcLlm.Server.Hosting;

/// <summary>Makes backends of their settings; who holds them disposes them. A kind is one line here. Thread-safe.</summary>
internal sealed class BackendFactory(TimeProvider timeProvider, ILoggerFactory loggerFactory)
{
    /// <summary>Makes one backend and the lanes into it.</summary>
    /// <returns>The lanes; null if there are errors.</returns>
    public LanePool? Create(string name, BackendSettings settings, ResilienceOptions resilience, List<string> errors)
    {
        if (CreateBackend(name, settings, errors) is not { } backend) return null;
        return new LanePool(
            backend, settings.Resilience.Over(resilience), timeProvider, loggerFactory.CreateLogger<LanePool>());
    }

    private IBackend? CreateBackend(string name, BackendSettings settings, List<string> errors)
    {
        var before = errors.Count;
        IBackend? backend = null;
        try
        {
            backend = settings.Kind switch
            {
                "embedded" => Read(new EmbeddedBackendOptions()) is { } options
                    ? new EmbeddedBackend(name, options, loggerFactory.CreateLogger<EmbeddedBackend>(), timeProvider) : null,
                "simulator" => Read(new SimulatorOptions(), SimulatorRules.Check) is { } options
                    ? new SimulatorBackend(name, options, timeProvider) : null,
                "openai" => Http(new OpenAiOptions(), static options => new OpenAiProvider(options)),
                "anthropic" => Http(new AnthropicOptions(), static options => new AnthropicProvider(options)),
                "gemini" => Http(new GeminiOptions(), static options => new GeminiProvider(options)),
                "ollama" => Http(new OllamaOptions(), static options => new OllamaProvider(options)),
                _ => Unknown(),
            };
        }
        catch (EmbeddedModelException exception)
        {
            errors.Add($"{settings.Section.Path}: {exception.Message}");
        }

        return backend;

        T? Read<T>(T options, Action<T, string, List<string>>? check = null)
            where T : class
        {
            ConfigurationReader.Read(
                settings.Section, options, errors, nameof(BackendSettings.Kind), nameof(BackendSettings.Resilience));
            check?.Invoke(options, settings.Section.Path, errors);
            return errors.Count == before ? options : null;
        }

        IBackend? Http<T>(T options, Func<T, Provider> provider)
            where T : HttpBackendOptions
        {
            if (Read(options) is null) return null;
            if (Uri.TryCreate(options.BaseUrl, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
                && url.UserInfo.Length == 0 && url.Query.Length == 0)
                return new HttpBackend(name, provider(options), options, timeProvider);
            errors.Add($"{settings.Section.Path}:BaseUrl: must be an absolute http or https URL without user or query");
            return null;
        }

        IBackend? Unknown()
        {
            errors.Add($"{settings.Section.Path}:Kind: '{settings.Kind}' is not embedded, simulator, openai, anthropic, gemini or ollama");
            return null;
        }
    }
}
