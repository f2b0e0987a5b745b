using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using GrpcLlm.Client.Json;
using GrpcLlm.Server.Tests.Backends.Embedded.Structured;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>
/// JSON that is still being written, as the client reads it: the same value however it is cut, no fault where
/// System.Text.Json sees none, and no more than that it accepts.
/// </summary>
internal sealed partial class JsonTarget : FuzzTarget
{
    private static readonly string[] Texts =
    [
        """{"name":"Anna","age":41,"tags":["a","b"],"nested":{"x":null,"y":[1,2.5,-3e10]},"ok":true}""",
        """["\u00e9\ud83d\ude00\n", "", {}, [], false, 0, -0.5E-3]""", """  {"a" : "b\\\"c" , "d" : [ { } ] }  """, "\"text\"", "12", "null",
    ];

    public override string Name => "json";

    public override byte[] Make(Random random, IReadOnlyList<byte[]> corpus)
    {
        var text = random.Next(3) == 0
            ? Encoding.UTF8.GetBytes(new RandomSchemas(random).Next())
            : Encoding.UTF8.GetBytes(Texts[random.Next(Texts.Length)]);
        return random.Next(4) == 0 ? text : Mutator.Change(random, text, [.. corpus, text]);
    }

    public override void Check(byte[] input)
    {
        var text = Encoding.UTF8.GetString(input);
        var random = Fingerprint.RandomOf(input);
        var whole = new PartialJsonReader().Append(text);
        var split = new PartialJsonReader();
        for (var at = 0; at < text.Length;)
        {
            var length = Math.Min(random.Next(0, 9), text.Length - at);
            split.Append(text.AsSpan(at, length));
            at += length;
            if (random.Next(8) == 0) _ = split.Value?.ToElement();
        }

        FindingException.Unless(split.Value?.ToString() == whole.Value?.ToString(), "another value when it is split");
        FindingException.Unless(split.IsComplete == whole.IsComplete && split.Fault?.Message == whole.Fault?.Message, "another end when it is split");
        Compare(text, split);
    }

    // Numbers that DeepEquals refuses to compare.
    private static bool HasHugeExponent(string text) => HugeExponent().IsMatch(text);

    [GeneratedRegex("[eE][+-]?[0-9]{6,}", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex HugeExponent();

    private static void Compare(string text, PartialJsonReader reader)
    {
        JsonElement? expected = null;
        try
        {
            // One of its habits apart: half a surrogate pair is a fault here, see the reader.
            using var document = JsonDocument.Parse(text);
            expected = document.RootElement.Clone();
        }
        catch (JsonException)
        {
            // No JSON.
        }

        try
        {
            var actual = reader.Complete();
            FindingException.Unless(expected is not null, "accepts what System.Text.Json refuses");
            FindingException.Unless(HasHugeExponent(text) || JsonElement.DeepEquals(actual, expected ?? default), "another value than System.Text.Json's");
        }
        catch (MalformedJsonException)
        {
            FindingException.Unless(
                expected is null || text.Contains("\\u", StringComparison.Ordinal) || text.Contains('\uFFFD'), "refuses what System.Text.Json accepts");
        }
    }
}
