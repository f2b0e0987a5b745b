using System.Text.Json;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// The escape hatch: parameters of <c>provider_options_json</c> for one kind. The deployment lists what is allowed; what
/// a field of the contract sets is refused even then. Stateless and thread-safe.
/// </summary>
internal static class ProviderOptions
{
    /// <summary>Refused for every kind: they belong to the contract, or change what a stream is.</summary>
    private static readonly string[] NeverAllowed = ["n", "stream", "stream_options", "model", "messages", "contents", "system"];

    /// <summary>Notes every parameter that may not be sent.</summary>
    public static void Check(
        GenerateRequest request, Provider provider, IReadOnlyCollection<string> allowed, Violations violations)
    {
        if (!request.ProviderOptionsJson.TryGetValue(provider.Kind, out var json)) return;
        using var document = JsonDocument.Parse(json);
        foreach (var option in document.RootElement.EnumerateObject())
        {
            var field = $"provider_options_json[{provider.Kind}].{RequestValidator.Shown(option.Name)}";
            if (provider.OwnParameters.Contains(option.Name) || NeverAllowed.Contains(option.Name, StringComparer.Ordinal))
                violations.Add(field, "is set by a field of the contract");
            else if (!allowed.Contains(option.Name, StringComparer.Ordinal))
                violations.Add(field, "is not allowed by this deployment");
        }
    }

    /// <summary>Writes the parameters, as they stand, into an upstream request.</summary>
    public static void Write(Utf8JsonWriter json, GenerateRequest request, string kind)
    {
        if (!request.ProviderOptionsJson.TryGetValue(kind, out var text)) return;
        using var document = JsonDocument.Parse(text);
        foreach (var option in document.RootElement.EnumerateObject()) option.WriteTo(json);
    }
}
