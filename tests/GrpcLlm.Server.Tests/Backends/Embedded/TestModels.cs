using System.Text.Json;
using GrpcLlm.Server.Backends.Embedded;

namespace GrpcLlm.Server.Tests.Backends.Embedded;

/// <summary>Models with reference vectors, loaded once for all tests; they are immutable.</summary>
internal static class TestModels
{
    public const string Default = "default";
    public const string GroupedHeads = "gqa-f16";
    public const string SentencePiece = "spm-q8";
    public const string RopeFactors = "rope-factors-f32";
    public const string KQuants = "gqa-q4k";

    private static readonly Dictionary<string, Lazy<(EmbeddedModel Model, ReferenceVectors Vectors)>> All =
        new[] { Default, GroupedHeads, SentencePiece, RopeFactors, KQuants }.ToDictionary(
            name => name,
            name => new Lazy<(EmbeddedModel, ReferenceVectors)>(
                () => (EmbeddedModel.Load(PathOf(name)), ReadVectors(name))),
            StringComparer.Ordinal);

    private static readonly JsonSerializerOptions SnakeCase = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
    };

    public static EmbeddedModel Model(string name) => All[name].Value.Model;

    public static ReferenceVectors Vectors(string name) => All[name].Value.Vectors;

    public static string PathOf(string name) =>
        name is Default ? EmbeddedModel.DefaultPath : DataPath(name + ".gguf");

    private static ReferenceVectors ReadVectors(string name)
    {
        using FileStream file = File.OpenRead(DataPath(name is Default ? "vectors.json" : name + ".json"));
        return JsonSerializer.Deserialize<ReferenceVectors>(file, SnakeCase)!;
    }

    private static string DataPath(string file) =>
        Path.Combine(AppContext.BaseDirectory, "Backends", "Embedded", "Data", file);
}

internal sealed record ReferenceVectors(
    ReferencePrompt[] Prompts, ReferenceTokens[] Tokenizer, ReferenceTokens[]? TokenizerSpecial);

internal sealed record ReferencePrompt(
    string Text,
    int[] Ids,
    float[]? Logits,
    double[][] Top20,
    int[] GreedyIds,
    double[] GreedyMargins,
    string? GreedyText,
    double[][]? Top20AfterGreedy);

internal sealed record ReferenceTokens(string Text, int[] Ids);
