using GrpcLlm.Server.Backends.Http;

namespace GrpcLlm.Server.Backends.Gemini;

/// <summary>Settings of a backend of kind <c>gemini</c>: those of every backend behind HTTP, and these.</summary>
internal sealed class GeminiOptions : HttpBackendOptions
{
    public GeminiOptions() => BaseUrl = "https://generativelanguage.googleapis.com/v1beta";

    /// <summary>
    /// Whether summaries of the thoughts are asked for although the request has no <c>reasoning</c>. Models that do not
    /// think refuse the question. Default: false, which is the provider's own.
    /// </summary>
    public bool IncludeThoughts { get; set; }

    /// <summary>
    /// Whether arguments of function calls are streamed in pieces as they are written. Only some hosts of the API know
    /// the parameter, the others refuse it. Default: false.
    /// </summary>
    public bool StreamFunctionArguments { get; set; }
}
