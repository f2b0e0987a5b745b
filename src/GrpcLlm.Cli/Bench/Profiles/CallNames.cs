using Google.Protobuf.Reflection;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Bench.Profiles;

/// <summary>The names of the one method that is measured.</summary>
internal static class CallNames
{
    /// <summary>Its description.</summary>
    public static MethodDescriptor Method { get; } = GenerationService.Descriptor.FindMethodByName("Generate");

    /// <summary>As <c>package.Service/Method</c>.</summary>
    public static string Generate { get; } = $"{Method.Service.FullName}/{Method.Name}";

    /// <summary>Whether a <c>call</c> of ghz (<c>package.Service/Method</c> or <c>package.Service.Method</c>) names it.</summary>
    public static bool IsGenerate(string call) =>
        string.Equals(call.TrimStart('/').Replace('/', '.'), Method.FullName, StringComparison.Ordinal);
}
