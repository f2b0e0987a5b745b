namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>A model in memory: what it is, its tokenizer and its network. Immutable; shared by all streams.</summary>
internal sealed class EmbeddedModel
{
    private EmbeddedModel(GgufFile file)
    {
        GgufMetadata metadata = file.Metadata;
        var shape = LlamaShape.Read(metadata);
        Tokenizer = Tokenizer.Create(metadata);
        int tokens = Vocabulary.Count;
        metadata.GetInt32("llama.vocab_size", minimum: tokens, maximum: tokens, whenAbsent: tokens);
        Network = new LlamaModel(shape, LlamaWeights.Read(file, shape, tokens), tokens);
        Name = metadata.GetString("general.name", "unnamed");
        Description = metadata.GetString("general.description", "");
        Author = metadata.GetString("general.author", metadata.GetString("general.organization", ""));
        HasChatTemplate = metadata.Has("tokenizer.chat_template");
    }

    /// <summary>The model that comes with the service, beside the binary.</summary>
    public static string DefaultPath => Path.Combine(AppContext.BaseDirectory, "Model", "model.Q8_0.gguf");

    /// <summary><c>general.name</c>.</summary>
    public string Name { get; }

    /// <summary><c>general.description</c>; may be empty.</summary>
    public string Description { get; }

    /// <summary><c>general.author</c> or <c>general.organization</c>; may be empty.</summary>
    public string Author { get; }

    /// <summary>Whether the file holds a chat template. It is not applied.</summary>
    public bool HasChatTemplate { get; }

    /// <summary>Text to tokens.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>The tokens.</summary>
    public Vocabulary Vocabulary => Tokenizer.Vocabulary;

    /// <summary>Tokens to logits.</summary>
    public LlamaModel Network { get; }

    /// <summary>Loads a file. The weights are converted to float32, so the file is closed afterwards.</summary>
    /// <exception cref="EmbeddedModelException">It cannot be used; the message says why.</exception>
    public static EmbeddedModel Load(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        return new EmbeddedModel(file);
    }
}
