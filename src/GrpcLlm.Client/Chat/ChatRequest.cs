using System.Globalization;
using System.Text.Json.Nodes;
using GrpcLlm.V1;
using Microsoft.Extensions.AI;
using AIReasoningEffort = Microsoft.Extensions.AI.ReasoningEffort;
using AIReasoningOptions = Microsoft.Extensions.AI.ReasoningOptions;
using ReasoningEffort = GrpcLlm.V1.ReasoningEffort;
using ReasoningOptions = GrpcLlm.V1.ReasoningOptions;

namespace GrpcLlm.Client.Chat;

/// <summary>
/// Makes a request of messages and options. What is not set stays absent, so that the backend's default applies; what has
/// no place in the contract is refused by name. Stateless and thread-safe.
/// </summary>
internal static class ChatRequest
{
    /// <summary>The request.</summary>
    /// <param name="client">Who asks, for <see cref="ChatOptions.RawRepresentationFactory"/>.</param>
    /// <param name="messages">Messages so far, oldest first.</param>
    /// <param name="options">What the caller set; null: nothing.</param>
    /// <param name="defaultModel">The model if the options name none; empty: the service's default.</param>
    /// <exception cref="GenerationException">Something has no place in the contract.</exception>
    public static GenerateRequest Of(
        IChatClient client, IEnumerable<ChatMessage> messages, ChatOptions? options, string defaultModel)
    {
        var refusals = new ChatRefusals();
        var request = RawRequestOf(client, options, refusals);
        request.Model = options?.ModelId is { Length: > 0 } model ? model
            : request.Model.Length > 0 ? request.Model
            : defaultModel;
        request.Conversation = ConversationOf(messages, options?.Instructions, refusals);
        if (options is not null) AddOptions(options, request, refusals);
        refusals.ThrowIfAny();
        return request;
    }

    private static GenerateRequest RawRequestOf(IChatClient client, ChatOptions? options, ChatRefusals refusals)
    {
        switch (options?.RawRepresentationFactory?.Invoke(client))
        {
            case null:
                return new GenerateRequest();
            case GenerateRequest request:
                return request.Clone();
            default:
                refusals.Add("options.RawRepresentationFactory", $"must make a {nameof(GenerateRequest)}");
                return new GenerateRequest();
        }
    }

    private static Conversation ConversationOf(IEnumerable<ChatMessage> messages, string? instructions, ChatRefusals refusals)
    {
        var conversation = new Conversation();
        if (!string.IsNullOrEmpty(instructions))
        {
            conversation.Messages.Add(new ConversationMessage { Role = Role.System, Parts = { new ContentPart { Text = instructions } } });
        }

        foreach (var (index, message) in messages.Index())
        {
            if (new ChatMessageMapper($"messages[{index}]", refusals).Map(message) is { } mapped) conversation.Messages.Add(mapped);
        }

        return conversation;
    }

    private static void AddOptions(ChatOptions options, GenerateRequest request, ChatRefusals refusals)
    {
        if (options.ConversationId is not null)
            refusals.Add("options.ConversationId", "is not served: send the whole conversation with every request");
        if (options.ContinuationToken is not null)
            refusals.Add("options.ContinuationToken", "is not served: answers do not run in the background");

        AddSampling(options, request, refusals);
        AddLimits(options, request, refusals);
        if (options.Reasoning is { } reasoning) AddReasoning(reasoning, request, refusals);
        if (options.ResponseFormat is { } format)
        {
            request.Output ??= new OutputOptions();
            request.Output.ResponseFormat = FormatOf(format, options.AdditionalProperties, refusals);
        }

        ChatTools.Add(options, request, refusals);
        if (options.AdditionalProperties is { } properties) ChatProperties.Add(properties, request, refusals);
    }

    private static void AddSampling(ChatOptions options, GenerateRequest request, ChatRefusals refusals)
    {
        var sampling = request.Sampling ?? new SamplingOptions();
        if (options.Temperature is { } temperature) sampling.Temperature = Exact(temperature);
        if (options.TopP is { } topP) sampling.TopP = Exact(topP);
        if (options.TopK is { } topK) sampling.TopK = Count(topK, "options.TopK", refusals);
        if (options.Seed is { } seed) sampling.Seed = seed;
        if (options.PresencePenalty is { } presence) sampling.PresencePenalty = Exact(presence);
        if (options.FrequencyPenalty is { } frequency) sampling.FrequencyPenalty = Exact(frequency);
        if (sampling.CalculateSize() > 0) request.Sampling = sampling;
    }

    private static void AddLimits(ChatOptions options, GenerateRequest request, ChatRefusals refusals)
    {
        var limits = request.Limits ?? new GenerationLimits();
        if (options.MaxOutputTokens is { } most) limits.MaxOutputTokens = Count(most, "options.MaxOutputTokens", refusals);
        if (options.StopSequences is { Count: > 0 } stops)
        {
            limits.StopSequences.Clear();
            limits.StopSequences.Add(stops);
        }

        if (limits.CalculateSize() > 0) request.Limits = limits;
    }

    private static void AddReasoning(AIReasoningOptions options, GenerateRequest request, ChatRefusals refusals)
    {
        if (options.Output is not null)
            refusals.Add("options.Reasoning.Output", "is not served: reasoning comes as the provider shows it");
        if (options.Effort is not { } effort) return;
        request.Reasoning ??= new ReasoningOptions();
        request.Reasoning.Effort = effort switch
        {
            AIReasoningEffort.None => ReasoningEffort.None,
            AIReasoningEffort.Low => ReasoningEffort.Low,
            AIReasoningEffort.Medium => ReasoningEffort.Medium,
            AIReasoningEffort.High => ReasoningEffort.High,
            AIReasoningEffort.ExtraHigh => ReasoningEffort.Max,
            _ => Refused(),
        };

        ReasoningEffort Refused()
        {
            refusals.Add("options.Reasoning.Effort", "is not known");
            return default;
        }
    }

    private static ResponseFormat FormatOf(
        ChatResponseFormat format, AdditionalPropertiesDictionary? properties, ChatRefusals refusals)
    {
        switch (format)
        {
            case ChatResponseFormatText:
                return new ResponseFormat { Text = new TextFormat() };
            case ChatResponseFormatJson { Schema: null }:
                return new ResponseFormat { JsonObject = new JsonObjectFormat() };
            case ChatResponseFormatJson json:
                var schema = new JsonSchemaFormat { JsonSchema = SchemaOf(json), Name = json.SchemaName ?? "" };
                if (ChatTools.StrictOf(properties) is { } strict) schema.Strict = strict;
                return new ResponseFormat { JsonSchema = schema };
            default:
                refusals.Add("options.ResponseFormat", $"is a {format.GetType().Name}, which the service has no place for");
                return new ResponseFormat();
        }
    }

    /// <summary>The schema as it is; its description, which has no field of its own, as JSON Schema's own keyword.</summary>
    private static string SchemaOf(ChatResponseFormatJson format)
    {
        var text = format.Schema!.Value.GetRawText();
        if (string.IsNullOrEmpty(format.SchemaDescription) || JsonNode.Parse(text) is not JsonObject schema
            || schema.ContainsKey("description"))
        {
            return text;
        }

        schema.Insert(0, "description", format.SchemaDescription);
        return schema.ToJsonString();
    }

    /// <summary>The number that was written: 0.7, where a plain conversion makes 0.699999988.</summary>
    private static double Exact(float value) =>
        double.Parse(value.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    private static uint Count(int value, string path, ChatRefusals refusals)
    {
        if (value >= 0) return (uint)value;
        refusals.Add(path, "must not be negative");
        return 0;
    }
}
