using System.Reflection;
using System.Text.Json;
using GrpcLlm.Cli.Bench.Results;

namespace GrpcLlm.Client.Tests.Cli.Bench.Results;

/// <summary>The documented schema and the records that are written are the same thing.</summary>
public sealed class BenchSchemaTests
{
    private static readonly JsonElement Schema =
        JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "bench.schema.json"))).RootElement;

    private static readonly NullabilityInfoContext Nullability = new();

    public static TheoryData<string> Records => [.. Types().Select(type => type.Name)];

    [Theory]
    [MemberData(nameof(Records))]
    public void Members_OfARecord_AreThoseOfTheSchema(string name)
    {
        var type = Types().Single(type => type.Name == name);
        var definition = DefinitionOf(type);
        var members = Members(type).ToDictionary(member => NameOf(member.Name), StringComparer.Ordinal);

        definition.GetProperty("properties").EnumerateObject().Select(property => property.Name).ShouldBe(members.Keys, ignoreOrder: true);

        // Nulls are left out; everything else is always there.
        definition.GetProperty("required").EnumerateArray().Select(one => one.GetString()!)
            .ShouldBe(members.Where(pair => !IsNullable(pair.Value)).Select(pair => pair.Key), ignoreOrder: true);
        foreach (var property in definition.GetProperty("properties").EnumerateObject())
        {
            property.Value.GetProperty("description").GetString().ShouldNotBeNullOrEmpty();
            CheckType(property.Value, members[property.Name].PropertyType);
        }
    }

    [Fact]
    public void Definitions_AreThoseOfTheRecords() =>
        Schema.GetProperty("$defs").EnumerateObject().Select(definition => definition.Name)
            .ShouldBe(Types().Skip(1).Select(type => NameOf(type.Name)), ignoreOrder: true);

    [Fact]
    public void Ends_AreAllInTheSchema() =>
        Schema.GetProperty("$defs").GetProperty("benchRun").GetProperty("properties").GetProperty("end").GetProperty("enum")
            .EnumerateArray().Select(end => end.GetString()).ShouldBe(Enum.GetNames<RunEnd>().Select(NameOf));

    [Fact]
    public void Metrics_AreAllNamedInTheSchema()
    {
        var description = Schema.GetProperty("$defs").GetProperty("benchRun").GetProperty("properties").GetProperty("metrics")
            .GetProperty("description").GetString()!;

        foreach (var (name, _, _) in MetricNames.All) description.ShouldContain(name);
    }

    private static JsonElement DefinitionOf(Type type) =>
        type == typeof(BenchFile) ? Schema : Schema.GetProperty("$defs").GetProperty(NameOf(type.Name));

    private static void CheckType(JsonElement property, Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type.IsEnum)
        {
            property.GetProperty("enum").GetArrayLength().ShouldBe(Enum.GetNames(type).Length);
            return;
        }

        if (ElementOf(type) is { } element && Types().Contains(element))
        {
            var inside = type == element ? property
                : property.TryGetProperty("items", out var items) ? items : property.GetProperty("additionalProperties");
            inside.GetProperty("$ref").GetString().ShouldBe($"#/$defs/{NameOf(element.Name)}");
            return;
        }

        property.GetProperty("type").GetString().ShouldBe(type switch
        {
            _ when type == typeof(string) || type == typeof(DateTimeOffset) => "string",
            _ when type == typeof(bool) => "boolean",
            _ when type == typeof(double) => "number",
            _ when type == typeof(long) || type == typeof(int) => "integer",
            _ when type.Name.StartsWith("IReadOnlyDictionary", StringComparison.Ordinal) => "object",
            _ => "array",
        });
    }

    /// <summary>The records that a file is made of, the file itself first.</summary>
    private static List<Type> Types()
    {
        var types = new List<Type> { typeof(BenchFile) };
        for (var index = 0; index < types.Count; index++)
        {
            foreach (var member in Members(types[index]))
            {
                if (ElementOf(member.PropertyType) is { } found && !types.Contains(found)) types.Add(found);
            }
        }

        return types;
    }

    private static Type? ElementOf(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type.IsGenericType) type = type.GetGenericArguments()[^1];
        return type.Namespace == typeof(BenchFile).Namespace && !type.IsEnum ? type : null;
    }

    private static PropertyInfo[] Members(Type type) => type.GetProperties(BindingFlags.Public | BindingFlags.Instance);

    private static bool IsNullable(PropertyInfo member) => Nullability.Create(member).ReadState == NullabilityState.Nullable;

    private static string NameOf(string member) => JsonNamingPolicy.CamelCase.ConvertName(member);
}
