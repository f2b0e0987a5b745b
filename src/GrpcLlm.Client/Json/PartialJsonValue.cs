using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace GrpcLlm.Client.Json;

/// <summary>
/// A value of a JSON text as far as it is known: a live view that grows while its <see cref="PartialJsonReader"/> is fed.
/// Looking at it costs nothing but what is said at a member. Not thread-safe against the reader that feeds it.
/// </summary>
/// <remarks>
/// Whatever it shows stays true: a string or an array only gets longer, an object only gets more properties, and numbers,
/// booleans and null show up when they are complete, since 12 is not a smaller 123.
/// </remarks>
public sealed class PartialJsonValue
{
    private static readonly JsonWriterOptions WriterOptions = new()
    {
        // The text is JSON for a parser, never part of an HTML page.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        MaxDepth = PartialJsonReader.DeepestNesting,
        SkipValidation = true,
    };

    // Each only where the kind has it.
    private readonly List<PartialJsonValue>? _items;
    private readonly List<PartialJsonProperty>? _properties;
    private readonly TextBuffer? _text;

    internal PartialJsonValue(JsonValueKind kind)
    {
        Kind = kind;
        if (kind == JsonValueKind.Array) _items = [];
        if (kind == JsonValueKind.Object) _properties = [];
        if (kind is JsonValueKind.String or JsonValueKind.Number) _text = new TextBuffer();
    }

    /// <summary>What it is; never <see cref="JsonValueKind.Undefined"/>.</summary>
    public JsonValueKind Kind { get; }

    /// <summary>Whether nothing more can come: always for numbers, booleans and null.</summary>
    public bool IsComplete { get; internal set; }

    /// <summary>Items of an array so far, in order; empty for anything else.</summary>
    public IReadOnlyList<PartialJsonValue> Items => _items ?? [];

    /// <summary>
    /// Properties of an object so far, in order, those that repeat a name included; empty for anything else. One whose
    /// value has not begun is left out.
    /// </summary>
    public IReadOnlyList<PartialJsonProperty> Properties => _properties ?? [];

    /// <summary>
    /// Characters of a string so far, never with half an escape or half a surrogate pair, or the digits of a number as
    /// they came; empty for anything else. No copy: valid until the reader is fed again.
    /// </summary>
    public ReadOnlySpan<char> Text => _text is null ? default : _text.Span;

    /// <summary>Where the reader puts the characters of a string or number.</summary>
    internal TextBuffer Buffer => _text!;

    /// <summary>Finds a property; the last one of that name, as System.Text.Json does. Cost: the number of properties.</summary>
    /// <param name="name">Its name, compared ordinally.</param>
    /// <param name="value">Its value so far.</param>
    /// <returns>Whether this is an object that has it.</returns>
    public bool TryGetProperty(string name, [NotNullWhen(true)] out PartialJsonValue? value)
    {
        for (var i = Properties.Count - 1; i >= 0; i--)
        {
            if (!string.Equals(Properties[i].Name, name, StringComparison.Ordinal)) continue;
            value = Properties[i].Value;
            return true;
        }

        value = null;
        return false;
    }

    /// <summary>The characters of a string so far. Cost: its length.</summary>
    /// <exception cref="InvalidOperationException">This is not a string.</exception>
    public string GetString() =>
        Kind == JsonValueKind.String ? Text.ToString() : throw new InvalidOperationException($"The value is a {Kind}, not a string.");

    /// <summary>What is known so far as a valid JSON document of its own. Cost: its length.</summary>
    public JsonElement ToElement()
    {
        var reader = new Utf8JsonReader(ToUtf8(), new JsonReaderOptions { MaxDepth = PartialJsonReader.DeepestNesting });
        return JsonElement.ParseValue(ref reader);
    }

    /// <summary>What is known so far as valid JSON text, without white space. Cost: its length.</summary>
    public override string ToString() => Encoding.UTF8.GetString(ToUtf8());

    /// <summary>Writes what is known so far. Cost: its length.</summary>
    /// <param name="writer">Where to, at a place where a value may stand.</param>
    public void WriteTo(Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        switch (Kind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var (name, value) in Properties)
                {
                    writer.WritePropertyName(name);
                    value.WriteTo(writer);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in Items) item.WriteTo(writer);
                writer.WriteEndArray();
                break;
            case JsonValueKind.String:
                writer.WriteStringValue(Text);
                break;
            case JsonValueKind.Number:
                // As it came: no number type holds them all.
                writer.WriteRawValue(Text, skipInputValidation: true);
                break;
            case JsonValueKind.Null:
                writer.WriteNullValue();
                break;
            default:
                writer.WriteBooleanValue(Kind == JsonValueKind.True);
                break;
        }
    }

    internal void Add(PartialJsonValue item) => _items!.Add(item);

    internal void Add(string name, PartialJsonValue value) => _properties!.Add(new PartialJsonProperty(name, value));

    private ReadOnlySpan<byte> ToUtf8()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, WriterOptions)) WriteTo(writer);
        return buffer.WrittenSpan;
    }
}
