using System.Text;
using System.Text.RegularExpressions;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Requests;

/// <summary>
/// Checks a request against the contract: every rule that holds whatever the backend. All violations are found in one
/// pass. The rules and ranges are those of the comments in <c>generation.proto</c>. Stateless and thread-safe.
/// </summary>
internal static partial class RequestValidator
{
    private static readonly string[] BackendKinds = ["embedded", "simulator", "openai", "anthropic", "gemini", "ollama"];

    /// <summary>The message, if it is readable and keeps the contract.</summary>
    /// <exception cref="CallFailureException">INVALID_REQUEST with all violations.</exception>
    public static GenerateRequest Validate(Received<GenerateRequest> received)
    {
        var request = Readable(received);
        var violations = new Violations();
        CheckRequestId(request.RequestId, violations);
        CheckInput(request, violations);
        SamplingRules.Check(request.Sampling, violations);
        LimitRules.Check(request.Limits, violations);
        OutputRules.Check(request.Output, violations);
        ToolRules.Check(request.Tools, request.ToolChoice, violations);
        CheckNotServedYet(request, violations);
        CheckLabels(request, violations);
        CheckReasoning(request.Reasoning, violations);
        if (request.EndUserId.Length > 128) violations.Add("end_user_id", "must have at most 128 characters");
        CheckProviderOptions(request, violations);
        return violations.IsEmpty ? request : throw CallFailureException.Invalid(violations);
    }

    /// <summary>The request to count, as a generation that would use that input.</summary>
    /// <exception cref="CallFailureException">INVALID_REQUEST with all violations.</exception>
    public static GenerateRequest Validate(Received<CountTokensRequest> received)
    {
        var count = Readable(received);
        var request = new GenerateRequest { Model = count.Model, Output = count.Output, Tools = { count.Tools } };
        if (count.InputCase == CountTokensRequest.InputOneofCase.Prompt) request.Prompt = count.Prompt;
        if (count.InputCase == CountTokensRequest.InputOneofCase.Conversation) request.Conversation = count.Conversation;

        var violations = new Violations();
        CheckInput(request, violations);
        OutputRules.Check(request.Output, violations);
        ToolRules.Check(request.Tools, choice: null, violations);
        return violations.IsEmpty ? request : throw CallFailureException.Invalid(violations);
    }

    /// <summary>The name to cancel.</summary>
    /// <exception cref="CallFailureException">INVALID_REQUEST with all violations.</exception>
    public static string Validate(Received<CancelGenerationRequest> received)
    {
        var requestId = Readable(received).RequestId;
        var violations = new Violations();
        if (requestId.Length == 0) violations.Add("request_id", "is required");
        CheckRequestId(requestId, violations);
        return violations.IsEmpty ? requestId : throw CallFailureException.Invalid(violations);
    }

    /// <summary>The message of a request that could be read.</summary>
    /// <exception cref="CallFailureException">INVALID_REQUEST: it could not.</exception>
    public static T Readable<T>(Received<T> received)
        where T : class, Google.Protobuf.IMessage<T> =>
        received.Message ?? throw CallFailureException.Invalid(received.Field, received.Fault);

    private static void CheckRequestId(string requestId, Violations violations)
    {
        if (requestId.Length > 0 && !IsRequestId(requestId))
            violations.Add("request_id", "must be 1 to 128 characters of [A-Za-z0-9._:~-]");
    }

    /// <summary>Whether a text may name a generation.</summary>
    public static bool IsRequestId(string text) => RequestIdPattern().IsMatch(text);

    private static void CheckInput(GenerateRequest request, Violations violations)
    {
        switch (request.InputCase)
        {
            case GenerateRequest.InputOneofCase.Prompt when request.Prompt.Length == 0:
                violations.Add("prompt", "must not be empty");
                break;
            case GenerateRequest.InputOneofCase.Conversation:
                ConversationRules.Check(request.Conversation, violations);
                break;
            case GenerateRequest.InputOneofCase.None:
                violations.Add("input", "one of prompt and conversation is required");
                break;
        }
    }

    private static void CheckNotServedYet(GenerateRequest request, Violations violations)
    {
        if (request.HasResumeAfter) violations.Add("resume_after", "is not served by this deployment");
        switch (request.OnDisconnect)
        {
            case OnDisconnect.Unspecified or OnDisconnect.Cancel:
                break;
            case OnDisconnect.Continue:
                violations.Add("on_disconnect", "ON_DISCONNECT_CONTINUE is not served by this deployment");
                break;
            default:
                violations.AddUnknown("on_disconnect", (int)request.OnDisconnect);
                break;
        }

        switch (request.CachePolicy)
        {
            case CachePolicy.Unspecified or CachePolicy.Default or CachePolicy.Bypass:
                break;
            case CachePolicy.Refresh or CachePolicy.Only:
                violations.Add("cache_policy", "only CACHE_POLICY_DEFAULT and CACHE_POLICY_BYPASS are served");
                break;
            default:
                violations.AddUnknown("cache_policy", (int)request.CachePolicy);
                break;
        }
    }

    private static void CheckLabels(GenerateRequest request, Violations violations)
    {
        if (request.Labels.Count > 16) violations.Add("labels", $"must have at most 16 entries, has {request.Labels.Count}");
        foreach (var (key, value) in request.Labels)
        {
            if (!LabelKeyPattern().IsMatch(key))
                violations.Add($"labels[{Shown(key)}]", "key must match [a-z][a-z0-9_.-]{0,62}");
            if (Encoding.UTF8.GetByteCount(value) > 256)
                violations.Add($"labels[{Shown(key)}]", "value must have at most 256 bytes");
        }
    }

    private static void CheckReasoning(ReasoningOptions? reasoning, Violations violations)
    {
        if (reasoning is not null && !Names<ReasoningEffort>.IsKnown(reasoning.Effort))
            violations.AddUnknown("reasoning.effort", (int)reasoning.Effort);
    }

    private static void CheckProviderOptions(GenerateRequest request, Violations violations)
    {
        foreach (var (kind, json) in request.ProviderOptionsJson)
        {
            var field = $"provider_options_json[{Shown(kind)}]";
            if (!BackendKinds.Contains(kind, StringComparer.Ordinal))
                violations.Add(field, $"key must be a backend kind: {string.Join(", ", BackendKinds)}");
            JsonRules.CheckObject(json, field, violations);
        }
    }

    /// <summary>A caller's key as it may stand in a message: short, printable.</summary>
    internal static string Shown(string key)
    {
        var clean = string.Concat(key.Take(64).Select(static c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
        return key.Length > 64 ? clean + "…" : clean;
    }

    [GeneratedRegex(@"\A[A-Za-z0-9._:~-]{1,128}\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex RequestIdPattern();

    [GeneratedRegex(@"\A[a-z][a-z0-9_.-]{0,62}\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex LabelKeyPattern();
}
