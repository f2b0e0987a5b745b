using System.Text.Json;

namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>Types of JSON Schema. A whole number is a number, so <see cref="Number"/> includes it.</summary>
[Flags]
internal enum JsonTypes
{
    None = 0,
    Null = 1,
    Boolean = 2,
    Integer = 4,
    Fraction = 8,
    Number = Integer | Fraction,
    String = 16,
    Array = 32,
    Object = 64,
    All = Null | Boolean | Number | String | Array | Object,
}

/// <summary>One thing that is wrong with a schema, or beyond what is supported.</summary>
/// <param name="Pointer">JSON Pointer of the keyword, as a URI fragment: <c>#/properties/a/not</c>.</param>
/// <param name="Message">What, after the pointer.</param>
internal readonly record struct SchemaProblem(string Pointer, string Message);

/// <summary>A property of an object.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Value">Its value.</param>
/// <param name="IsRequired">Whether it must be there.</param>
internal sealed record SchemaProperty(string Name, SchemaNode Value, bool IsRequired);

/// <summary>
/// A schema as read: what <see cref="SchemaReader"/> made of its keywords. Nodes may refer to each other in circles.
/// </summary>
/// <param name="pointer">Where it stands.</param>
internal sealed class SchemaNode(string pointer)
{
    /// <summary>Where it stands, as a URI fragment.</summary>
    public string Pointer { get; } = pointer;

    /// <summary>Types that it allows.</summary>
    public JsonTypes Types { get; set; } = JsonTypes.All;

    /// <summary>It is one of these, of <see cref="Types"/>; null: no.</summary>
    public IReadOnlyList<SchemaNode>? AnyOf { get; set; }

    /// <summary>Whether no two of <see cref="AnyOf"/> may match the same value.</summary>
    public bool IsExclusive { get; set; }

    /// <summary>The values that it allows, of <see cref="Types"/>; null: not listed.</summary>
    public IReadOnlyList<JsonElement>? Literals { get; set; }

    /// <summary>Declared properties in the order in which they are written.</summary>
    public IReadOnlyList<SchemaProperty> Properties { get; set; } = [];

    /// <summary>Value of further properties; null: there are none.</summary>
    public SchemaNode? FurtherProperties { get; set; }

    /// <summary>Fewest properties; only without declared ones.</summary>
    public int MinProperties { get; set; }

    /// <summary>Most properties; only without declared ones.</summary>
    public int MaxProperties { get; set; } = int.MaxValue;

    /// <summary>The first elements.</summary>
    public IReadOnlyList<SchemaNode> FirstItems { get; set; } = [];

    /// <summary>Further elements; null: there are none.</summary>
    public SchemaNode? Items { get; set; }

    /// <summary>Fewest elements.</summary>
    public int MinItems { get; set; }

    /// <summary>Most elements.</summary>
    public int MaxItems { get; set; } = int.MaxValue;

    /// <summary>Fewest code points.</summary>
    public int MinLength { get; set; }

    /// <summary>Most code points.</summary>
    public int MaxLength { get; set; } = int.MaxValue;

    /// <summary>What a string must match, lengths included; null: nothing.</summary>
    public CodePointDfa? Pattern { get; set; }

    /// <summary>Which numbers.</summary>
    public NumberRange Numbers { get; set; } = new();
}
