using System.ComponentModel.DataAnnotations;
using GrpcLlm.Server.Backends.Http;

namespace GrpcLlm.Server.Backends.Ollama;

/// <summary>Settings of a backend of kind <c>ollama</c>: those of every backend behind HTTP, and these.</summary>
internal sealed class OllamaOptions : HttpBackendOptions
{
    public OllamaOptions() => BaseUrl = "http://127.0.0.1:11434";

    /// <summary>
    /// Tokens of the context window that the server is asked for (<c>num_ctx</c>), which is also what ListModels tells.
    /// 1 to 16,777,216. Default: none, the server's own choice.
    /// </summary>
    [Range(1, 16_777_216)]
    public int? ContextWindow { get; set; }
}
