using System.Text.Json;
using GrpcLlm.Client.Json;

namespace GrpcLlm.Client.Tests.Json;

/// <summary>Statements about random documents; a failure names the seed, and the smallest come first.</summary>
public sealed class PartialJsonPropertyTests
{
    private const int Documents = 400;

    [Fact]
    public void EveryBeginning_OfRandomDocuments_HasNoFaultAndIsConsistentWithTheWhole() => ForDocuments((text, seed) =>
    {
        using var whole = JsonDocument.Parse(text);
        var reader = new PartialJsonReader();
        for (var length = 1; length <= text.Length; length++)
        {
            reader.Append(text.AsSpan(length - 1, 1));

            reader.Fault.ShouldBeNull($"seed {seed}, {length} characters");
            if (reader.Value is not { } value) continue;
            var part = JsonDocument.Parse(value.ToString()).RootElement;
            IsPart(part, whole.RootElement, mayGrow: true).ShouldBeTrue($"seed {seed}: {value} of {text}");
        }

        JsonOracle.Canonical(reader.Complete()).ShouldBe(JsonOracle.Canonical(text), $"seed {seed}");
        reader.Value!.IsComplete.ShouldBeTrue($"seed {seed}");
    });

    [Fact]
    public void EveryBeginning_OfRandomDocuments_ShowsAllThatCanBeClosed() => ForDocuments((text, seed) =>
    {
        var reader = new PartialJsonReader();
        for (var length = 1; length <= text.Length; length++)
        {
            reader.Append(text.AsSpan(length - 1, 1));

            var shown = reader.Value is { } value ? JsonOracle.Canonical(value.ToElement()) : null;
            shown.ShouldBe(JsonOracle.BestOf(text[..length]), $"seed {seed}: {text[..length]}");
        }
    });

    [Fact]
    public void EveryCut_OfRandomDocuments_ShowsTheSameAsCharacterByCharacter() => ForDocuments((text, seed) =>
    {
        for (var cuts = 0; cuts < 5; cuts++)
        {
            var (pieces, single, read) = (new PartialJsonReader(), new PartialJsonReader(), 0);
            foreach (var piece in new RandomJson(seed + (cuts * Documents)).Cut(text))
            {
                pieces.Append(piece);
                for (var end = read + piece.Length; read < end; read++) single.Append(text.AsSpan(read, 1));

                pieces.Value?.ToString().ShouldBe(single.Value?.ToString(), $"seed {seed}, {read} characters");
                (pieces.Value is null).ShouldBe(single.Value is null);
                pieces.IsComplete.ShouldBe(single.IsComplete);
            }

            JsonOracle.Canonical(pieces.Complete()).ShouldBe(JsonOracle.Canonical(text));
        }
    });

    [Fact]
    public void Complete_RandomlyDamagedDocuments_ThrowsWhereSystemTextJsonDoes()
    {
        var (valid, invalid) = (0, 0);
        ForDocuments((text, seed) =>
        {
            for (var tries = 0; tries < 20; tries++)
            {
                var damaged = new RandomJson(seed + (tries * Documents)).Damaged(text);
                var expected = JsonOracle.Canonical(damaged);
                var reader = new PartialJsonReader().Append(damaged);
                if (expected is not null)
                {
                    valid++;
                    JsonOracle.Canonical(reader.Complete()).ShouldBe(expected, $"seed {seed}: {damaged}");
                    continue;
                }

                invalid++;
                var fault = Should.Throw<MalformedJsonException>(() => reader.Complete(), $"seed {seed}: {damaged}");
                fault.IsUnfinished.ShouldBe(fault.Position == damaged.Length, $"seed {seed}: {damaged}");

                // All before that place is the beginning of a valid document, and with that character it is not.
                new PartialJsonReader().Append(damaged.AsSpan(0, (int)fault.Position)).Fault.ShouldBeNull();
                if (!fault.IsUnfinished) new PartialJsonReader().Append(damaged.AsSpan(0, (int)fault.Position + 1)).Fault.ShouldNotBeNull();
            }
        });

        valid.ShouldBeGreaterThan(100);
        invalid.ShouldBeGreaterThan(1000);
    }

    [Fact]
    public void Value_WhileItGrows_OnlyEverGetsMore() => ForDocuments((text, seed) =>
    {
        var reader = new PartialJsonReader();
        JsonElement? before = null;
        foreach (var character in text)
        {
            reader.Append([character]);
            var now = reader.Value?.ToElement();
            if (before is { } earlier) IsPart(earlier, now!.Value, mayGrow: true).ShouldBeTrue($"seed {seed}: {now}");
            before = now;
        }
    });

    private static void ForDocuments(Action<string, int> statement)
    {
        for (var seed = 0; seed < Documents; seed++) statement(new RandomJson(seed).Document(), seed);
    }

    /// <summary>Whether a value is the whole one or, where it may still grow, a beginning of it. Only the last member of anything may grow.</summary>
    private static bool IsPart(JsonElement part, JsonElement whole, bool mayGrow)
    {
        if (part.ValueKind != whole.ValueKind) return false;
        switch (part.ValueKind)
        {
            case JsonValueKind.String:
                var (text, all) = (part.GetString()!, whole.GetString()!);
                return mayGrow ? all.StartsWith(text, StringComparison.Ordinal) : string.Equals(all, text, StringComparison.Ordinal);
            case JsonValueKind.Array:
                return ArePart([.. part.EnumerateArray()], [.. whole.EnumerateArray()], mayGrow);
            case JsonValueKind.Object:
                var (properties, allProperties) = (part.EnumerateObject().ToList(), whole.EnumerateObject().ToList());
                return properties.Select(p => p.Name).SequenceEqual(allProperties.Take(properties.Count).Select(p => p.Name), StringComparer.Ordinal)
                    && ArePart([.. properties.Select(p => p.Value)], [.. allProperties.Select(p => p.Value)], mayGrow);
            default:
                return string.Equals(part.GetRawText(), whole.GetRawText(), StringComparison.Ordinal);
        }
    }

    private static bool ArePart(List<JsonElement> part, List<JsonElement> whole, bool mayGrow) =>
        (mayGrow ? part.Count <= whole.Count : part.Count == whole.Count)
        && part.Index().All(pair => IsPart(pair.Item, whole[pair.Index], mayGrow && pair.Index == part.Count - 1));
}
