using System.Text;
using System.Text.Json;

namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>
/// Reads a JSON Schema (2020-12) into <see cref="SchemaNode"/>s. What is not supported is named with its place, all of
/// it at once. Supported are: <c>type</c>, <c>enum</c>, <c>const</c>, <c>anyOf</c>; <c>oneOf</c> whose branches exclude
/// each other by type, value or a required property; <c>allOf</c> of one schema; <c>$ref</c> within the document,
/// recursive too; of objects <c>properties</c>, <c>required</c>, <c>additionalProperties</c>, and without declared
/// properties <c>minProperties</c> and <c>maxProperties</c>; of arrays <c>items</c>, <c>prefixItems</c>, <c>minItems</c>,
/// <c>maxItems</c>; of strings <c>minLength</c>, <c>maxLength</c>, <c>pattern</c> (<see cref="PatternParser"/>),
/// <c>format</c> (<see cref="StringFormats"/>); of numbers <c>minimum</c>, <c>maximum</c>, <c>exclusiveMinimum</c>,
/// <c>exclusiveMaximum</c>, <c>multipleOf</c> (whole up to 100, or a power of ten from 1e-14). Annotations are ignored.
/// </summary>
/// <remarks>
/// Beside <c>enum</c>, <c>const</c>, <c>anyOf</c>, <c>oneOf</c>, <c>allOf</c> and <c>$ref</c> only <c>type</c> may
/// stand. Where <c>properties</c> are declared and <c>additionalProperties</c> is not, none are written
/// beyond them: the output is narrower than the schema, never wider. Not thread-safe.
/// </remarks>
internal sealed class SchemaReader
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    private static readonly (string Name, JsonTypes Type)[] TypeNames =
    [
        ("null", JsonTypes.Null), ("boolean", JsonTypes.Boolean), ("integer", JsonTypes.Integer),
        ("number", JsonTypes.Number), ("string", JsonTypes.String), ("array", JsonTypes.Array), ("object", JsonTypes.Object),
    ];

    private readonly JsonElement _root;
    private readonly List<SchemaProblem> _problems;
    private readonly Dictionary<string, SchemaNode> _nodes = new(StringComparer.Ordinal);
    private readonly Queue<(SchemaNode Node, JsonElement Element)> _unread = new();

    private SchemaReader(JsonElement root, List<SchemaProblem> problems)
    {
        _root = root;
        _problems = problems;
        Any = new SchemaNode("#");
        Any.Items = Any.FurtherProperties = Any;
    }

    /// <summary>Any value at all, wherever a schema says nothing.</summary>
    public SchemaNode Any { get; }

    /// <summary>What the patterns of the schema together may take.</summary>
    public StepBudget PatternSteps { get; } = new(StructuredLimits.PatternSteps);

    /// <summary>Any value at all.</summary>
    public static SchemaNode Anything() => new SchemaReader(default, []).Any;

    /// <summary>Reads a schema.</summary>
    /// <param name="json">JSON text.</param>
    /// <param name="problems">Gets what is wrong; the schema is of use only if that is nothing.</param>
    public static SchemaNode Read(string json, List<SchemaProblem> problems)
    {
        try
        {
            if (HasHalfCharacter(json))
            {
                problems.Add(new SchemaProblem("#", "holds half of a surrogate pair"));
                return new SchemaNode("#");
            }

            JsonElement root = JsonElement.Parse(json, Strict);
            var reader = new SchemaReader(root, problems);
            SchemaNode node = reader.NodeOf(root, "#");
            while (reader._unread.TryDequeue(out (SchemaNode Node, JsonElement Element) next))
                new SchemaKeywords(reader, next.Node, next.Element).Read();
            return node;
        }
        catch (JsonException exception)
        {
            // The parser's own message quotes the text; only the place is told.
            problems.Add(new SchemaProblem(
                "#", $"is no JSON, or names a property twice: line {exception.LineNumber + 1}, byte {exception.BytePositionInLine}"));
            return new SchemaNode("#");
        }
    }

    /// <summary>The type of a name; null if it is none.</summary>
    public static JsonTypes? TypeOf(string? name) =>
        Array.Find(TypeNames, entry => entry.Name == name) is { Name: not null } found ? found.Type : null;

    /// <summary>Notes a problem.</summary>
    public void Refuse(string pointer, string message) => _problems.Add(new SchemaProblem(pointer, message));

    /// <summary>The place of a part.</summary>
    public static string PointerTo(string parent, string part) =>
        $"{parent}/{part.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}";

    /// <summary>The node of a schema; it is read later, so that schemas may refer to themselves.</summary>
    public SchemaNode NodeOf(JsonElement element, string pointer)
    {
        if (_nodes.TryGetValue(pointer, out SchemaNode? known)) return known;
        switch (element.ValueKind)
        {
            case JsonValueKind.True:
                return Any;
            case JsonValueKind.False:
                return new SchemaNode(pointer) { Types = JsonTypes.None };
            case JsonValueKind.Object when !element.EnumerateObject().Any():
                return Any;
            case JsonValueKind.Object:
                var node = new SchemaNode(pointer) { Items = Any, FurtherProperties = Any };
                _nodes[pointer] = node;
                _unread.Enqueue((node, element));
                return node;
            default:
                Refuse(pointer, "must be a schema: an object, true or false");
                return Any;
        }
    }

    /// <summary>The node that a reference means.</summary>
    public SchemaNode Resolve(string reference, string pointer)
    {
        JsonElement element = _root;
        string place = "#";
        if (reference is ['#', ..] && (reference.Length == 1 || reference[1] == '/'))
        {
            bool isFound = true;
            foreach (string part in Uri.UnescapeDataString(reference).Split('/').Skip(1))
            {
                string name = part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
                isFound = element.ValueKind switch
                {
                    JsonValueKind.Object => element.TryGetProperty(name, out element),
                    JsonValueKind.Array when int.TryParse(name, out int index) && index >= 0 && index < element.GetArrayLength() =>
                        Take(element[index], out element),
                    _ => false,
                };
                if (!isFound) break;
                place = PointerTo(place, name);
            }

            if (isFound) return NodeOf(element, place);
        }

        Refuse(pointer, "must be '#' or '#/…' and name a place in this schema");
        return Any;
    }

    private static bool Take(JsonElement value, out JsonElement taken)
    {
        taken = value;
        return true;
    }

    // \uD800 without its other half: such text has no UTF-8.
    private static bool HasHalfCharacter(string json)
    {
        var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(json));
        while (reader.Read())
        {
            if (!reader.ValueIsEscaped) continue;
            try
            {
                reader.GetString();
            }
            catch (InvalidOperationException)
            {
                return true; // the only reason for which a string token has no text
            }
        }

        return false;
    }
}
