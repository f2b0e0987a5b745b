using Microsoft.Extensions.Options;

namespace GrpcLlm.Client;

/// <summary>Checks the options of every registered client; stateless.</summary>
internal sealed class GrpcLlmClientOptionsValidator : IValidateOptions<GrpcLlmClientOptions>
{
    public ValidateOptionsResult Validate(string? name, GrpcLlmClientOptions options)
    {
        var errors = OptionsErrors.Of(options, ownsChannel: true);
        if (errors.Count == 0) return ValidateOptionsResult.Success;
        var client = string.IsNullOrEmpty(name) ? "the GrpcLlm client" : $"the GrpcLlm client '{name}'";
        return ValidateOptionsResult.Fail(errors.Select(error => $"{client}: {error}"));
    }
}
