using GrpcLlm.Server.Backends.Embedded.Chat;

namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// A model: what it is, its tokenizer and its network, whose weights stay in the mapped file. Immutable; shared by all
/// streams; disposed when nothing runs any more.
/// </summary>
internal sealed class EmbeddedModel : IDisposable
{
    // They go into logs, answers and trailers, which have little room.
    private const int MaxName = 100;
    private const int MaxDescription = 1000;

    private readonly GgufFile _file;

    private EmbeddedModel(GgufFile file)
    {
        _file = file;
        GgufMetadata metadata = file.Metadata;
        var shape = LlamaShape.Read(metadata);
        Tokenizer = Tokenizer.Create(metadata);
        int tokens = Vocabulary.Count;
        metadata.GetInt32("llama.vocab_size", minimum: tokens, maximum: tokens, whenAbsent: tokens);
        Network = new LlamaModel(shape, LlamaWeights.Read(file, shape, tokens), tokens);
        Name = TextLine.Of(metadata.GetString("general.name", "unnamed"), MaxName);
        Description = TextLine.Of(metadata.GetString("general.description", ""), MaxDescription);
        Author = TextLine.Of(metadata.GetString("general.author", metadata.GetString("general.organization", "")), MaxName);
        Chat = ChatFormat.Read(metadata, Tokenizer, out string? problem);
        ChatProblem = problem;
    }

    /// <summary>The model that comes with the service, beside the binary.</summary>
    public static string DefaultPath => Path.Combine(AppContext.BaseDirectory, "Model", "model.Q8_0.gguf");

    /// <summary><c>general.name</c>; at most 100 characters and an ellipsis.</summary>
    public string Name { get; }

    /// <summary><c>general.description</c>; at most 1000 characters and an ellipsis, may be empty.</summary>
    public string Description { get; }

    /// <summary><c>general.author</c> or <c>general.organization</c>; may be empty.</summary>
    public string Author { get; }

    /// <summary>How conversations are written; null if the file says nothing of it, or nothing that is understood.</summary>
    public ChatFormat? Chat { get; }

    /// <summary>What is not understood of the file's chat template; null if there is nothing.</summary>
    public string? ChatProblem { get; }

    /// <summary>Text to tokens.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>The tokens.</summary>
    public Vocabulary Vocabulary => Tokenizer.Vocabulary;

    /// <summary>Tokens to logits.</summary>
    public LlamaModel Network { get; }

    /// <summary>Opens a file. Its weights are read as they are needed, so that takes as long as its vocabulary.</summary>
    /// <exception cref="EmbeddedModelException">It cannot be used; the message says why.</exception>
    public static EmbeddedModel Load(string path)
    {
        GgufFile file = GgufFile.Open(path);
        try
        {
            return new EmbeddedModel(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose() => _file.Dispose();
}
