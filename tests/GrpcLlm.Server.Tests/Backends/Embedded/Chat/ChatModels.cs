using System.Text.Json;
using GrpcLlm.Server.Backends.Embedded;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Chat;

/// <summary>
/// The model that comes with the service, given a chat template and, for the last tokens of its vocabulary, special
/// tokens. It answers as if it went on with a tale.
/// </summary>
internal static class ChatModels
{
    public const string Start = "<|im_start|>";
    public const string End = "<|im_end|>";

    private static readonly JsonSerializerOptions SnakeCase = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>A template of the test data.</summary>
    public static string Template(string name) => File.ReadAllText(PathOf(name + ".jinja"));

    /// <summary>A JSON file of the test data.</summary>
    public static T Read<T>(string file) => JsonSerializer.Deserialize<T>(File.ReadAllText(PathOf(file)), SnakeCase)!;

    /// <summary>Writes the model to a file.</summary>
    /// <param name="path">Where to.</param>
    /// <param name="template">Its chat template; null for none.</param>
    /// <param name="special">Special tokens, for the last ids before the end of text.</param>
    /// <param name="kind">Kind of those tokens.</param>
    public static void Write(string path, string? template, string[] special, TokenKind kind = TokenKind.Control)
    {
        GgufBuilder builder = GgufBuilder.Of(EmbeddedModel.DefaultPath);
        using (GgufFile file = GgufFile.Open(EmbeddedModel.DefaultPath))
        {
            string[] tokens = [.. file.Metadata.GetArray<string>("tokenizer.ggml.tokens")!];
            int[] kinds = [.. file.Metadata.GetArray<int>("tokenizer.ggml.token_type")!];
            int first = tokens.Length - 1 - special.Length;
            HashSet<string> replaced = [.. tokens.Skip(first).Take(special.Length)];
            special.CopyTo(tokens, first);
            Array.Fill(kinds, (int)kind, first, special.Length);
            builder.Key("tokenizer.ggml.tokens", tokens).Key("tokenizer.ggml.token_type", kinds)
                .Key("tokenizer.ggml.merges", file.Metadata.GetArray<string>("tokenizer.ggml.merges")!
                    .Where(merge => !replaced.Contains(merge.Replace(" ", ""))).ToArray());
        }

        File.WriteAllBytes(path, builder.Key("tokenizer.chat_template", template).Build());
    }

    private static string PathOf(string file) =>
        Path.Combine(AppContext.BaseDirectory, "Backends", "Embedded", "Data", "Chat", file);
}
