using System.Text.Json;

namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>One thing that may stand at a place: a schema without alternatives of its own, of some types.</summary>
/// <param name="Node">The schema.</param>
/// <param name="Types">Types that every schema on the way to it allows.</param>
internal readonly record struct Alternative(SchemaNode Node, JsonTypes Types)
{
    /// <summary>The listed values of those types; null if values are not listed.</summary>
    public IEnumerable<JsonElement>? Literals
    {
        get
        {
            JsonTypes types = Types;
            return Node.Literals?.Where(value => (types & TypeOf(value)) != JsonTypes.None);
        }
    }

    /// <summary>The type of a value.</summary>
    public static JsonTypes TypeOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => JsonTypes.Null,
        JsonValueKind.True or JsonValueKind.False => JsonTypes.Boolean,
        JsonValueKind.String => JsonTypes.String,
        JsonValueKind.Array => JsonTypes.Array,
        JsonValueKind.Object => JsonTypes.Object,
        _ => value.GetDouble() is var number && Math.Floor(number) == number ? JsonTypes.Integer : JsonTypes.Fraction,
    };
}

/// <summary>Takes references and unions apart.</summary>
internal static class Alternatives
{
    // References may form chains and circles; every schema counts once.
    private const int MaxVisits = 16 * StructuredLimits.Alternatives;

    // Comparisons that taking the values of a property apart counts as.
    private const int PropertyCost = 16;

    /// <summary>All that may stand where a schema does.</summary>
    /// <param name="node">The schema.</param>
    /// <param name="types">Types that are wanted.</param>
    /// <returns>Null if there are more than <see cref="StructuredLimits.Alternatives"/>.</returns>
    public static List<Alternative>? Of(SchemaNode node, JsonTypes types)
    {
        var found = new List<Alternative>();
        var visited = new HashSet<Alternative>();
        var open = new Stack<Alternative>([new Alternative(node, types)]);
        while (open.TryPop(out Alternative next))
        {
            next = next with { Types = next.Types & next.Node.Types };
            if (next.Types == JsonTypes.None || !visited.Add(next)) continue;
            if (next.Node.AnyOf is not { } parts) found.Add(next);
            if (visited.Count > MaxVisits || found.Count > StructuredLimits.Alternatives) return null;
            foreach (SchemaNode part in (next.Node.AnyOf ?? []).Reverse()) open.Push(new Alternative(part, next.Types));
        }

        return found;
    }

    /// <summary>
    /// Whether the branches of a <c>oneOf</c> surely exclude each other: by their types, their listed values, or the
    /// listed values of a property that both require.
    /// </summary>
    /// <param name="node">The schema.</param>
    /// <param name="comparisons">What that may take.</param>
    public static bool ExcludeEachOther(SchemaNode node, StepBudget comparisons)
    {
        List<Alternative>?[] branches = [.. node.AnyOf!.Select(part => Of(part, node.Types))];
        if (Array.Exists(branches, branch => branch is null)) return false;
        for (int i = 0; i < branches.Length; i++)
        {
            for (int j = i + 1; j < branches.Length; j++)
            {
                List<Alternative> others = branches[j]!;
                if (!branches[i]!.TrueForAll(left => others.TrueForAll(right => Exclude(left, right, 0, comparisons))))
                    return false;
            }
        }

        return true;
    }

    private static bool Exclude(Alternative left, Alternative right, int depth, StepBudget comparisons)
    {
        if (!comparisons.TryTake(1)) return false;
        if (left.Literals is { } some && right.Literals is { } others)
        {
            return some.All(value => others.All(other =>
                comparisons.TryTake(1) && !JsonElement.DeepEquals(value, other)));
        }

        JsonTypes shared = TypesOf(left) & TypesOf(right);
        if (shared == JsonTypes.None) return true;
        if (shared != JsonTypes.Object || depth > 0 || left.Literals is not null || right.Literals is not null) return false;
        return left.Node.Properties.Any(property => property.IsRequired && right.Node.Properties.Any(other =>
            other.IsRequired && other.Name == property.Name && ValuesExclude(property.Value, other.Value, comparisons)));
    }

    private static bool ValuesExclude(SchemaNode left, SchemaNode right, StepBudget comparisons) =>
        comparisons.TryTake(PropertyCost) && Of(left, JsonTypes.All) is { } some && Of(right, JsonTypes.All) is { } others &&
        some.TrueForAll(one => others.TrueForAll(other => Exclude(one, other, 1, comparisons)));

    private static JsonTypes TypesOf(Alternative alternative) =>
        alternative.Literals?.Aggregate(JsonTypes.None, (types, value) => types | Alternative.TypeOf(value)) ?? alternative.Types;
}
