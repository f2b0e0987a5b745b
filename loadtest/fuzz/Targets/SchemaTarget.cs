using System.Text;
using System.Text.Json;
using GrpcLlm.Server.Backends.Embedded.Structured;
using GrpcLlm.Server.Tests.Backends.Embedded.Structured;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>
/// A JSON schema that a caller sends, with its patterns: compiled or refused by path, within its bounds; and from every
/// place that can be reached a valid document can be completed.
/// </summary>
internal sealed class SchemaTarget : FuzzTarget
{
    private const int MostBytes = 300;

    private static readonly string[] Hostile =
    [
        """{"type":"string","pattern":"^(a+)+$"}""", """{"type":"string","pattern":"^(a{1,99}){1,99}$"}""",
        """{"type":"string","pattern":"^((a|b)*c){9}(a|b)*[^ab]{40}$"}""", """{"type":"string","minLength":4000000000}""",
        """{"$ref":"#"}""", """{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}""",
        """{"type":"array","minItems":1000000000,"items":{"type":"array","minItems":1000000000}}""",
        """{"type":"integer","minimum":-1e308,"maximum":1e308,"multipleOf":97}""", """{"enum":[1e400,"\ud83d"]}""",
        """{"anyOf":[{"anyOf":[{"anyOf":[{"$ref":"#"}]}]},{"$ref":"#"}]}""", """{"type":"object","additionalProperties":{"$ref":"#"},"minProperties":9}""",
    ];

    private static readonly string[] Patterns =
        ["(", ")", "[", "]", "[^", "{2,", "{9999}", "*", "+?", "\\p{L}", "\\b", "(?=a)", "(?<n>a)", "|", "^", "$", "[z-a]", "\\u{1F600}", "\\x", ".", "\\1", "[\\]]"];

    public override string Name => "schema";

    // Bounds of the compiler, whatever a schema says; see StructuredLimits.
    public override long MaxAllocation(int inputLength) => (1L << 30) + (10_000L * inputLength);

    public override byte[] Make(Random random, IReadOnlyList<byte[]> corpus)
    {
        var text = random.Next(8) switch
        {
            0 => Hostile[random.Next(Hostile.Length)],
            1 or 2 => JsonSerializer.Serialize(new { type = "string", pattern = string.Concat(random.GetItems([.. Patterns, "a", "b", "0"], random.Next(1, 12))) }),
            _ => new RandomSchemas(random).Next(),
        };
        var bytes = Encoding.UTF8.GetBytes(text);
        return random.Next(2) == 0 ? bytes : Mutator.Change(random, bytes, [.. corpus, bytes], Patterns);
    }

    public override void Check(byte[] input)
    {
        var schema = Encoding.UTF8.GetString(input);
        if (input.Length > StructuredLimits.SchemaBytes) return;
        var (grammar, problems) = Compile(schema);
        var (_, again) = Compile(schema);
        FindingException.Unless(problems.SequenceEqual(again), "other problems the second time");
        FindingException.Unless(grammar is null == problems.Count > 0, "neither a grammar nor a problem");
        if (grammar is not null) WriteDocument(grammar, Fingerprint.RandomOf(input));
    }

    private static (Grammar? Grammar, List<SchemaProblem> Problems) Compile(string schema)
    {
        var problems = new List<SchemaProblem>();
        var node = SchemaReader.Read(schema, problems);
        var grammar = problems.Count == 0 ? GrammarCompiler.Compile(node, JsonTypes.All, problems) : null;
        return (problems.Count == 0 ? grammar : null, problems);
    }

    /// <summary>Any bytes for a while, then those that lead to the end: the shortest way must get there, by valid JSON.</summary>
    private static void WriteDocument(Grammar grammar, Random random)
    {
        var automaton = new Automaton(grammar, longestToken: 1);
        var position = automaton.Start;
        var document = new List<byte>();
        for (var ending = false; !automaton.MayEnd(position) || (!ending && !automaton.MustEnd(position)); ending |= document.Count > MostBytes / 2)
        {
            var left = automaton.ShortestEnd(position);
            if (left > MostBytes) return;
            List<(byte Value, Position Next)> steps = [];
            for (var value = 0; value < 256; value++)
            {
                if (automaton.TryStep(position, (byte)value, isNewKey: false, out var next)) steps.Add(((byte)value, next));
            }

            FindingException.Unless(steps.Count > 0, $"nothing can follow {Encoding.UTF8.GetString([.. document])}");
            var nearer = steps.Where(step => automaton.ShortestEnd(step.Next) < left).ToList();
            FindingException.Unless(!ending || nearer.Count > 0, $"no way to an end from {Encoding.UTF8.GetString([.. document])}");
            var chosen = ending ? nearer[random.Next(nearer.Count)] : steps[random.Next(steps.Count)];
            document.Add(chosen.Value);
            position = chosen.Next;
        }

        using var parsed = JsonDocument.Parse(document.ToArray());
    }
}
