using System.Text;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Grpc;
using GrpcLlm.Server.Requests;
using Metadata = Grpc.Core.Metadata;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>
/// The answer of a provider that refuses: a status, what it says of coming back, a body. It becomes one typed failure whose
/// message is short and holds no key, and whose trailers fit.
/// </summary>
internal sealed class RefusalTarget : FuzzTarget
{
    private const int MaxTrailerBytes = 4096;

    private static readonly ProviderFormat[] Formats =
        [ProviderFormat.OpenAi, ProviderFormat.Anthropic, ProviderFormat.Gemini, ProviderFormat.Ollama];

    private static readonly int[] Statuses = [300, 307, 400, 401, 403, 404, 408, 413, 418, 422, 429, 500, 502, 503, 529, 599, 600, 999];

    private static readonly string[] Bodies =
    [
        """{"error":{"message":"Rate limit reached for sk-fuzz-0123456789abcdef","type":"tokens","code":"rate_limit_exceeded"}}""",
        """{"error":{"message":"This model's maximum context length is 8192 tokens","code":"context_length_exceeded"}}""",
        """{"error":{"code":"content_filter","message":"x","innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true}}}}}""",
        """{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}""",
        """{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}""",
        """[{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"17.5s"}]}}]""",
        """{"error":"model 'm' not found"}""", """{"detail":[{"msg":"field required"}]}""", "<html><h1>502 Bad Gateway</h1></html>", "",
    ];

    private static readonly string[] Delays =
        ["0", "1", "-1", "1.5", "9999999999", "2147483647", "NaN", "Infinity", "-Infinity", "1e300", "86399999.9", "Wed,_21_Oct_2026_07:28:00_GMT", "Fri,_31_Dec_9999_23:59:59_GMT", "x", "é"];

    public override string Name => "refusal";

    public override byte[] Make(Random random, IReadOnlyList<byte[]> corpus)
    {
        var line = StreamInput.Line(
            ("status", $"{Statuses[random.Next(Statuses.Length)]}"), ("after", Delay(random)), ("afterms", Delay(random)));
        var body = Encoding.UTF8.GetBytes(Bodies[random.Next(Bodies.Length)]);
        if (random.Next(4) > 0)
            body = Mutator.Change(random, body, corpus, "\"retryDelay\":\"-Infinitys\"", "\"retryDelay\":\"1e9s\"", "retryDelay", "sk-fuzz-0123456789abcdef");
        return [.. Encoding.UTF8.GetBytes(line), .. body];
    }

    public override void Check(byte[] input)
    {
        var given = StreamInput.Read(input);
        if (given.Status is >= 200 and < 300) return;
        foreach (var format in Formats)
        {
            var (events, failure) = UpstreamAnswer.Read(format, given, new PiecewiseStream(given.Body, 7));
            FindingException.Unless(failure is null == (events is [{ Kind: BackendEventKind.Finished }]), "neither a failure nor an end");
            if (failure is null) continue;
            FindingException.Unless(failure.RetryAfter is null || failure.RetryAfter >= TimeSpan.Zero, $"comes back after {failure.RetryAfter}");
            var trailers = new Metadata();
            FailureStatus.Write(trailers, CallFailureException.Of(failure, delivered: false), delivered: false, 0, 0, "b");
            var size = trailers.Sum(static one => one.Key.Length + (one.IsBinary ? one.ValueBytes.Length * 4 / 3 : one.Value.Length));
            FindingException.Unless(size < MaxTrailerBytes, $"{size} bytes of trailers");
        }
    }

    private static string? Delay(Random random) => random.Next(2) == 0 ? null : Delays[random.Next(Delays.Length)];
}
