using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.FunctionalTests.Upstreams.OpenAiSetup;

namespace GrpcLlm.FunctionalTests.Resilience;

/// <summary>A server whose one model has a route for each of some upstreams: backends <c>a</c>, <c>b</c>, <c>c</c> …</summary>
internal static class RoutesSetup
{
    /// <summary>Three attempts without waits, unless a setting says otherwise.</summary>
    public static Task<LlmServer> StartAsync(IReadOnlyList<TestUpstream> upstreams, params string[] settings) =>
        StartAsync([.. upstreams.Select(static upstream => upstream.Address)], settings);

    /// <inheritdoc cref="StartAsync(IReadOnlyList{TestUpstream}, string[])"/>
    public static Task<LlmServer> StartAsync(IReadOnlyList<Uri> addresses, params string[] settings) => LlmServer.StartAsync(
    [
        .. addresses.SelectMany(static (address, index) => new[]
        {
            $"GrpcLlm:Backends:{NameOf(index)}:Kind=openai", $"GrpcLlm:Backends:{NameOf(index)}:BaseUrl={address}v1",
            $"GrpcLlm:Models:m:Routes:{index}:Backend={NameOf(index)}",
        }),
        "GrpcLlm:DefaultModel=m", "GrpcLlm:Resilience:MaxAttempts=3", "GrpcLlm:Resilience:BaseDelay=00:00:00", .. settings,
    ]);

    /// <summary>Settings that give a backend keys.</summary>
    public static IEnumerable<string> Keys(string backend, params string[] keys) =>
        keys.Select((key, index) => $"GrpcLlm:Backends:{backend}:ApiKeys:{index}={key}");

    /// <summary>An upstream that always serves this text.</summary>
    public static TestUpstream Serving(string text) => TestUpstream.Start(call => ServeAsync(call, text));

    /// <summary>An upstream that always refuses.</summary>
    public static TestUpstream Refusing(int status, params (string, string)[] headers) =>
        TestUpstream.Start(call => RefuseAsync(call, status, headers));

    /// <summary>Serves this text as one token.</summary>
    public static async Task ServeAsync(UpstreamCall call, string text)
    {
        await call.HeadAsync();
        await call.WriteAsync(Sse(Text(text), Stop, "[DONE]"));
        await call.EndAsync();
    }

    /// <summary>Refuses with a status.</summary>
    public static async Task RefuseAsync(UpstreamCall call, int status, params (string, string)[] headers)
    {
        await call.HeadAsync(status, "application/json", headers);
        await call.WriteAsync("""{"error":{"message":"not now"}}""");
        await call.EndAsync();
    }

    /// <summary>The attempts in short: backend, outcome, reason where there is one.</summary>
    public static IEnumerable<string> Told(this Answer answer) => answer.Summary.AttemptLog.Select(static attempt =>
        $"{attempt.Backend} {attempt.Outcome}{(attempt.ErrorReason == ErrorReason.Unspecified ? "" : " " + attempt.ErrorReason)}{(attempt.Hedged ? " hedged" : "")}");

    private static string NameOf(int index) => ((char)('a' + index)).ToString();
}
