using System.Text;
using GrpcLlm.Server.Backends.Embedded;
using GrpcLlm.Server.Backends.Embedded.Structured;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// What structured output costs the embedded model: compiling a schema, and the mask of a token, when it is found and when
/// it is known; with the shipped vocabulary and with a synthetic one of 128k tokens.
/// </summary>
internal static class StructuredBenchmark
{
    private const int Rounds = 60;

    private const string Person =
        """
        {
          "type": "object",
          "properties": {
            "name": { "type": "string", "maxLength": 40 },
            "born": { "type": "string", "format": "date" },
            "height": { "type": "number", "minimum": 0.3, "maximum": 2.8 },
            "children": { "type": "array", "items": { "$ref": "#" }, "maxItems": 4 },
            "mood": { "enum": ["merry", "grim", "sleepy"] }
          },
          "required": ["name", "mood"],
          "additionalProperties": false
        }
        """;

    private static readonly Vocabulary Shipped = EmbeddedModel.Load(EmbeddedModel.DefaultPath).Vocabulary;

    public static Task RunAsync()
    {
        Console.WriteLine($"structured: {Environment.ProcessorCount} cores; fastest of {Rounds} rounds, which other work on the machine disturbs least");
        (string Name, string Schema)[] schemas =
        [
            ("any object", """{"type":"object"}"""),
            ("a person, recursive", Person),
            ("64 KiB of properties", Properties(1200, """{"type":"string","maxLength":99}""")),
            ("64 KiB of enum", """{"enum":[""" + string.Join(',', Enumerable.Range(0, 4000).Select(i => $"\"value{i}\"")) + "]}"),
            ("a pattern at the limit", """{"pattern":"^(a|b)*a(a|b){8}$"}"""),
            ("a pattern that is refused", """{"pattern":"^(a|b)*a(a|b){40}$"}"""),
        ];
        Console.WriteLine($"  {"schema",-28} {"compile",10} {"states",8}");
        foreach ((string name, string schema) in schemas)
        {
            Grammar? grammar = null;
            double time = Fastest(() => grammar = Compile(schema));
            Console.WriteLine($"  {name,-28} {Text(time),10} {grammar?.StateCount,8}");
        }

        Console.WriteLine($"  {"mask of a token",-28} {"found",10} {"known",10} {"urgent",10}");
        foreach (TokenTrie trie in (TokenTrie[])[TokenTrie.Of(Shipped), Synthetic(128 * 1024)])
        {
            Measure(trie, "in a string", Person, "{\"name\":\"Han");
            Measure(trie, "before a value", Person, "{\"name\":");
            Measure(trie, "in a name that is free", """{"type":"object"}""", "{\"a\":1,\"b\":[true,\"x\"],\"c");
        }

        return Task.CompletedTask;
    }

    private static void Measure(TokenTrie trie, string place, string schema, string before)
    {
        Grammar grammar = Compile(schema) ?? throw new InvalidOperationException("The schema is refused.");
        var logits = new float[trie.VocabularySize];
        double found = Fastest(() => At(1_000_000), constraint => constraint.Mask(logits));
        TokenConstraint warm = At(1_000_000);
        warm.Mask(logits);
        double known = Fastest(() => warm, constraint => constraint.Mask(logits));
        TokenConstraint late = At(before.Length + 8);
        late.Mask(logits);
        double urgent = Fastest(() => late, constraint => constraint.Mask(logits));
        Console.WriteLine($"  {place + $", {trie.VocabularySize:N0}",-28} {Text(found),10} {Text(known),10} {Text(urgent),10}");

        TokenConstraint At(int maxTokens)
        {
            var constraint = new TokenConstraint(grammar, trie, maxTokens);
            foreach (byte value in Encoding.UTF8.GetBytes(before)) constraint.Accept(TokenOf(trie, value));
            return constraint;
        }
    }

    private static int TokenOf(TokenTrie trie, byte value) => trie.TokensAt(trie.ChildOf(0, value))[0];

    // All bytes, then pieces of the shipped vocabulary joined in pairs: as many shared beginnings as a real one has.
    private static TokenTrie Synthetic(int count)
    {
        var random = new Random(1);
        byte[][] pieces = [.. Enumerable.Range(0, Shipped.Count)
            .Where(id => Shipped.KindOf(id) == TokenKind.Normal).Select(id => Shipped.BytesOf(id).ToArray())];
        var tokens = new HashSet<string>(StringComparer.Ordinal);
        foreach (byte[] piece in pieces) tokens.Add(Convert.ToHexString(piece));
        while (tokens.Count < count)
            tokens.Add(Convert.ToHexString([.. pieces[random.Next(pieces.Length)], .. pieces[random.Next(pieces.Length)]]));
        return new TokenTrie([.. tokens.Select(token => (ReadOnlyMemory<byte>)Convert.FromHexString(token))], []);
    }

    private static string Properties(int count, string schema) =>
        """{"type":"object","properties":{""" + string.Join(',', Enumerable.Range(0, count).Select(i => $"\"property{i}\":{schema}")) + "}}";

    private static Grammar? Compile(string schema)
    {
        var problems = new List<SchemaProblem>();
        SchemaNode node = SchemaReader.Read(schema, problems);
        return problems.Count > 0 ? null : GrammarCompiler.Compile(node, JsonTypes.All, problems);
    }

    private static double Fastest(Action action) => Fastest(() => 0, _ => action());

    // In microseconds.
    private static double Fastest<T>(Func<T> prepare, Action<T> action)
    {
        double fastest = double.MaxValue;
        for (int i = 0; i < Rounds; i++)
        {
            T prepared = prepare();
            long start = TimeProvider.System.GetTimestamp();
            action(prepared);
            fastest = Math.Min(fastest, TimeProvider.System.GetElapsedTime(start).TotalMicroseconds);
        }

        return fastest;
    }

    private static string Text(double microseconds) =>
        microseconds < 1000 ? $"{microseconds:0.0} µs" : $"{microseconds / 1000:0.0} ms";
}
