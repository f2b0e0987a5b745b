using System.Text;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>What a provider tells of a model, and of the tokens of a prompt. It is taken, or nothing is known.</summary>
internal sealed class AskTarget : FuzzTarget
{
    private static readonly ProviderFormat[] Formats =
        [ProviderFormat.OpenAi, ProviderFormat.Anthropic, ProviderFormat.Gemini, ProviderFormat.Ollama];

    private static readonly string[] Answers =
    [
        """{"object":"list","data":[{"id":"x","owned_by":"a"},{"id":"m","owned_by":"b","max_model_len":4096,"top_provider":{"max_completion_tokens":100}}]}""",
        """{"id":"m","display_name":"M","created_at":"2026-01-01T00:00:00Z","max_input_tokens":200000,"capabilities":{"thinking":{"supported":true}}}""",
        """{"displayName":"M","description":"d","inputTokenLimit":1048576,"outputTokenLimit":8192,"thinking":true}""",
        """{"details":{"family":"llama"},"capabilities":["completion","tools","vision","thinking"],"model_info":{"general.architecture":"llama","llama.context_length":8192}}""",
        """{"input_tokens":12,"count":12,"totalTokens":12}""",
    ];

    public override string Name => "ask";

    public override byte[] Make(Random random, IReadOnlyList<byte[]> corpus)
    {
        var answer = Encoding.UTF8.GetBytes(Answers[random.Next(Answers.Length)]);
        return random.Next(8) == 0 ? answer : Mutator.Change(random, answer, corpus);
    }

    public override void Check(byte[] input)
    {
        foreach (var format in Formats)
        {
            var task = AskAsync(format, input);
            FindingException.Unless(task.IsCompleted, "waits for something although the whole body is at hand");
            task.GetAwaiter().GetResult();
        }
    }

    private static async Task AskAsync(ProviderFormat format, byte[] input)
    {
        using var http = UpstreamAnswer.Connect(format, StreamInput.Read(input), () => new PiecewiseStream(input, 40));
        await using var backend = new HttpBackend("fuzz", format.Provider, ProviderFormat.Timeouts, http, TimeProvider.System);
        await ((IBackend)backend).LearnAsync("m", key: null, CancellationToken.None);
        FindingException.Unless(backend.Describe("m").Capabilities.All(Enum.IsDefined), "a capability that is none");
        try
        {
            await backend.CountInputTokensAsync(new BackendCall(new GenerateRequest { Prompt = "p" }, "m"), CancellationToken.None);
        }
        catch (BackendException)
        {
            // It says that it cannot.
        }
    }
}
