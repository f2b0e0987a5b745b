using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Backends.Embedded.Chat;
using GrpcLlm.Server.Backends.Embedded.Kernels;
using GrpcLlm.Server.Backends.Embedded.Structured;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Fuzz;

/// <summary>
/// What must hold for any bytes in place of a model file: they are refused with a message, or the model loads, cuts texts
/// up, writes a conversation down and draws tokens, or says that its weights are damaged. Not thread-safe.
/// </summary>
internal sealed class GgufCheck : IDisposable
{
    private const int MaxTokens = 8;
    private const int MaxPositions = 64;

    private static readonly string[] Samples = ["", "Hello, abc <user> 123 <end>\n\n é😀\ud800", new string('a', 200)];

    private static readonly GenerateRequest Conversation = new()
    {
        Conversation = new Conversation
        {
            Messages =
            {
                new ConversationMessage { Role = Role.System, Parts = { new ContentPart { Text = "abc <end>" } } },
                new ConversationMessage { Role = Role.User, Parts = { new ContentPart { Text = "a" } } },
            },
        },
    };

    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
    private readonly WorkerTeam _team = new("fuzz", 1);

    /// <summary>Most bytes that loading a file may allocate.</summary>
    /// <param name="length">Length of the file in bytes.</param>
    public static long MaxAllocation(int length) => (4 << 20) + (200L * length);

    /// <summary>Checks a file.</summary>
    /// <returns>Why it is refused; null if it loads.</returns>
    /// <exception cref="Exception">Something does not hold.</exception>
    public string? Check(byte[] file)
    {
        File.WriteAllBytes(_path, file);
        long before = GC.GetAllocatedBytesForCurrentThread();
        EmbeddedModel? model = null;
        string? refusal = null;
        try
        {
            model = EmbeddedModel.Load(_path);
        }
        catch (EmbeddedModelException error)
        {
            refusal = error.Message;
            if (refusal.Length is 0 or > 1001) throw new InvalidOperationException("The message is empty or too long.", error);
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        if (allocated > MaxAllocation(file.Length))
            throw new InvalidOperationException($"Loading {file.Length} bytes allocated {allocated}.");
        if (model is null) return refusal;
        using (model) Use(model);
        return null;
    }

    public void Dispose()
    {
        _team.Dispose();
        File.Delete(_path);
    }

    private void Use(EmbeddedModel model)
    {
        var structure = new StructuredOutput(model.Vocabulary);
        EmbeddedDescription.Of(model, model.Network.Shape.Context, structure.IsPossible);
        UnsupportedFields.Find(Conversation, model, structure, new Violations());
        foreach (string sample in Samples) Require(model, model.Tokenizer.EncodePrompt(sample));
        try
        {
            if (model.Chat is { } chat) Require(model, chat.Encode(chat.Write(Conversation)));
        }
        catch (TemplateException)
        {
            // It takes no system message, say.
        }

        for (int id = 0; id < model.Vocabulary.Count; id++) model.Vocabulary.PrintedTextOf(id);
        Run(model);
    }

    private void Run(EmbeddedModel model)
    {
        LlamaShape shape = model.Network.Shape;
        int context = Math.Min(shape.Context, MaxPositions);
        var pages = new KvPagePool(shape, KeyValuePrecision.F16, KvPagePool.PagesFor(context), 0);
        var forward = new ForwardPass(model.Network, KernelSet.Best, _team, MaxTokens, MaxTokens, context);
        int[] tokens = [.. model.Tokenizer.EncodePrompt("abc").Take(Math.Min(context, MaxTokens))];
        if (tokens.Length == 0) return;
        using var cache = new KvCache(pages, context, "", []);
        var batch = new ForwardBatch(MaxTokens);
        batch.Add(cache, tokens, wantsLogits: true);
        forward.Run(batch);
        try
        {
            int drawn = new Sampler(new SamplingPlan { Seed = 1 }, model.Vocabulary.EndTokens, tokens)
                .Sample(forward.Logits.Span(0), new SamplerScratch(model.Vocabulary.Count));
            Require(model, [drawn]);
        }
        catch (BackendException)
        {
            // The weights are damaged.
        }
    }

    private static void Require(EmbeddedModel model, int[] tokens)
    {
        int wrong = Array.FindIndex(tokens, id => id < 0 || id >= model.Vocabulary.Count);
        if (wrong >= 0) throw new InvalidOperationException($"The token {tokens[wrong]} is none of the model's.");
    }
}
