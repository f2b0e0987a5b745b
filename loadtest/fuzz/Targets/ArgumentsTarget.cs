using System.Text;
using System.Text.Json;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Gemini;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>
/// Arguments of a tool call that come in pieces, one a line, each with a JSON path. They make one object in which every
/// value stands at its place, or a typed failure.
/// </summary>
internal sealed class ArgumentsTarget : FuzzTarget
{
    private static readonly string[] Names = ["a", "b", "list", "größe", "a b", "😀", "'", "\\", "]", "."];

    public override string Name => "arguments";

    public override byte[] Make(Random random, IReadOnlyList<byte[]> corpus)
    {
        var lines = new StringBuilder();
        WriteObject(random, "$", 2, lines);
        var bytes = Encoding.UTF8.GetBytes(lines.ToString());
        return random.Next(2) == 0 ? bytes : Mutator.Change(random, bytes, corpus, "\"jsonPath\":\"$.a\"", "\"willContinue\":true", "$.a[0]", "$['");
    }

    public override void Check(byte[] input)
    {
        var arguments = new PartialArguments();
        var tracker = new ToolCallTracker();
        tracker.Begin("0", "", "f", 0);
        var strings = new Dictionary<string, string>(StringComparer.Ordinal);
        var json = new StringBuilder();
        try
        {
            foreach (var line in Encoding.UTF8.GetString(input).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                using var piece = JsonDocument.Parse(line);
                Add(arguments.Add(piece.RootElement));
                Note(piece.RootElement, strings);
            }

            Add(arguments.Close());
            tracker.End("0");
        }
        catch (Exception exception) when (exception is BackendException or JsonException or InvalidOperationException)
        {
            // What the stream that reads them takes for nonsense.
            return;
        }

        if (json.Length == 0) return;
        using var whole = JsonDocument.Parse(json.ToString());
        foreach (var (path, text) in strings)
        {
            var found = Find(whole.RootElement, PathStep.Parse("$" + path));
            FindingException.Unless(Whole(found) == Whole(text), $"{path} is {found}, not {text}");
        }

        void Add(string fragment)
        {
            json.Append(fragment);
            tracker.Append("0", fragment);
        }
    }

    private static void Note(JsonElement piece, Dictionary<string, string> strings)
    {
        // One place may be spelled in several ways.
        var path = string.Concat(PathStep.Parse(piece.GetProperty("jsonPath").GetString()!)
            .Select(static step => step.Name is { } name ? $"['{name.Replace("\\", "\\\\").Replace("'", "\\'")}']" : $"[{step.Index}]"));
        if (piece.TryGetProperty("stringValue", out var text) && text.ValueKind == JsonValueKind.String)
            strings[path] = strings.GetValueOrDefault(path, "") + text.GetString();
    }

    private static string? Find(JsonElement element, List<PathStep> path)
    {
        foreach (var step in path) element = step.Name is { } name ? element.GetProperty(name) : element[step.Index];
        return element.GetString();
    }

    private static string Whole(string? text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text ?? "")).Replace("\uFFFD", "", StringComparison.Ordinal);

    private static void WriteObject(Random random, string path, int depth, StringBuilder lines)
    {
        foreach (var name in random.GetItems(Names, random.Next(1, 4)).Distinct())
            WriteValue(random, $"{path}['{name.Replace("\\", "\\\\").Replace("'", "\\'")}']", depth, lines);
    }

    private static void WriteValue(Random random, string path, int depth, StringBuilder lines)
    {
        switch (random.Next(depth > 0 ? 6 : 4))
        {
            case 0:
                Write(path, "\"numberValue\":1.50", lines);
                break;
            case 1:
                Write(path, random.Next(2) == 0 ? "\"boolValue\":true" : "\"nullValue\":\"NULL_VALUE\"", lines);
                break;
            case 4:
                WriteObject(random, path, depth - 1, lines);
                break;
            case 5:
                for (var n = 0; n < random.Next(1, 4); n++) WriteValue(random, $"{path}[{n}]", depth - 1, lines);
                break;
            default:
                for (var left = random.Next(3); left > 0; left--)
                    Write(path, $"\"stringValue\":{JsonSerializer.Serialize(Names[random.Next(Names.Length)])},\"willContinue\":true", lines);
                Write(path, "\"stringValue\":\"z\"", lines);
                break;
        }
    }

    private static void Write(string path, string value, StringBuilder lines) =>
        lines.Append($"{{\"jsonPath\":{JsonSerializer.Serialize(path)},{value}}}").Append('\n');
}
