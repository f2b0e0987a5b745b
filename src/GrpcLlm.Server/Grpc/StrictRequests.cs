using System.Globalization;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// Refuses what ASP.NET Core would take for a call of ours although gRPC over HTTP/2 says otherwise. Paths are
/// case-sensitive and never escaped: routing matches them loosely, and a mesh that allows or denies methods by path would
/// be passed by another spelling. Only protobuf is spoken: the framework would read a message of any other
/// <c>application/grpc+…</c> as one. The messages themselves go through a <see cref="PrefixReader"/>. Stateless and thread-safe.
/// </summary>
internal static class StrictRequests
{
    private const string GrpcType = "application/grpc";
    private const string ProtobufType = "application/grpc+proto";

    /// <summary>Passes a request on, or ends it.</summary>
    public static Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<GrpcMethodMetadata>() is not { } method) return next(context);
        if (!IsPathOf(method.Method, context))
            return Refuse(context, StatusCodes.Status200OK, StatusCode.Unimplemented, "Paths are case-sensitive, without escapes.");
        if (IsOtherCodec(context.Request.ContentType))
            return Refuse(context, StatusCodes.Status415UnsupportedMediaType, StatusCode.Internal, "Messages must be protobuf.");
        PrefixReader.Watch(context);
        return next(context);
    }

    private static bool IsPathOf(IMethod method, HttpContext context)
    {
        // As it was sent: the path of the request is unescaped already.
        var target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget.AsSpan();
        var query = target.IndexOf('?');
        return (query < 0 ? target : target[..query]).SequenceEqual(method.FullName);
    }

    /// <summary>Whether it is <c>application/grpc+…</c> and not protobuf. What is no gRPC at all, the framework refuses.</summary>
    private static bool IsOtherCodec(string? contentType)
    {
        if (contentType is null || contentType.Length == GrpcType.Length || !contentType.StartsWith(GrpcType, StringComparison.OrdinalIgnoreCase))
            return false;
        var parameters = contentType.IndexOf(';', StringComparison.Ordinal);
        var type = (parameters < 0 ? contentType : contentType.AsSpan(0, parameters)).TrimEnd();
        return type.Length > GrpcType.Length && !type.Equals(ProtobufType, StringComparison.OrdinalIgnoreCase);
    }

    private static Task Refuse(HttpContext context, int httpStatus, StatusCode status, string message)
    {
        // No endpoint of ours was called, so nobody keeps books of it.
        context.SetEndpoint(null);
        var response = context.Response;
        response.StatusCode = httpStatus;
        response.ContentType = GrpcType;
        response.Headers[HeaderNames.GrpcStatus] = ((int)status).ToString(CultureInfo.InvariantCulture);
        response.Headers[HeaderNames.GrpcMessage] = message;
        return Task.CompletedTask;
    }
}
