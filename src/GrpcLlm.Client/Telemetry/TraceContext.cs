using System.Diagnostics;
using Grpc.Core;

namespace GrpcLlm.Client.Telemetry;

/// <summary>Carries a span's context to the server in the call's metadata. Stateless and thread-safe.</summary>
internal static class TraceContext
{
    /// <summary>Headers with the span's context, in the form that the process has chosen (W3C by default).</summary>
    /// <param name="headers">The call's headers; not changed. What they say of a context stands.</param>
    /// <param name="activity">
    /// The generation's span; null while nobody listens. Then the HTTP handler passes on the context of whoever calls. With a
    /// span of its own the call must not leave it to the handler, which would name a request span that need not be recorded.
    /// </param>
    public static Metadata? AddTo(Metadata? headers, Activity? activity)
    {
        if (activity is null) return headers;
        var all = new Metadata();
        foreach (var entry in headers ?? []) all.Add(entry);
        DistributedContextPropagator.Current.Inject(activity, all, static (carrier, name, value) =>
        {
            var target = (Metadata)carrier!;
            if (target.Get(name) is null) target.Add(name, value);
        });
        return all;
    }
}
