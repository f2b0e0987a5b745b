using System.Text.Json.Nodes;

namespace GrpcLlm.Server.Tests.Backends.Embedded.Structured;

/// <summary>
/// Makes random schemas of all supported keywords, most of which some document matches. With definitions, some of which
/// use themselves.
/// </summary>
internal sealed class RandomSchemas(Random random)
{
    private static readonly string[] Names =
        ["a", "id", "name", "kind", "value", "item list", "with \"quotes\"", "größe", "ключ", "back\\slash", "tab\t", "\u0001", "名前", "😀", ""];

    private static readonly string[] Words =
        ["red", "green", "re", "", "rot", "ünï", "a\"b", "line\nbreak", "\u0002", "😀x", "true", "{}", "\\", "/"];

    private static readonly string[] Patterns =
    [
        "^[a-z]{2,5}$", "^(foo|bar|foobar)+$", @"^\d{3}-\d{4}$", "x", "^a.*z$", "[äöü]$", @"^\S+@\S+\.\w{2,3}$",
        "^[^a-y]{1,4}$", "(ab|cd){2}", @"^[\u4e00-\u9fff]{1,3}$", "^-?[1-9][0-9]?(,[0-9]{3})*$", "^$", "^[\"\\\\]+$",
    ];

    private bool _refers;

    /// <summary>A schema as JSON text.</summary>
    public string Next()
    {
        _refers = random.Next(4) == 0;
        var schema = Schema(3);
        if (_refers)
        {
            var definitions = new JsonObject { ["leaf"] = Scalar(), ["node"] = Node() };
            if (schema is not JsonObject whole || whole.ContainsKey("$ref")) schema = new JsonObject { ["anyOf"] = new JsonArray(schema) };
            schema["$defs"] = definitions;
        }

        return schema.ToJsonString();
    }

    // Uses itself, but need not.
    private JsonObject Node() => new()
    {
        ["type"] = "object",
        ["properties"] = new JsonObject
        {
            ["value"] = Scalar(),
            ["next"] = new JsonObject { ["anyOf"] = new JsonArray(new JsonObject { ["type"] = "null" }, Ref("node")) },
            ["children"] = new JsonObject { ["type"] = "array", ["items"] = Ref("node"), ["maxItems"] = random.Next(4) },
        },
        ["required"] = random.Next(2) == 0 ? new JsonArray("next") : [],
        ["additionalProperties"] = false,
    };

    private static JsonObject Ref(string name) => new() { ["$ref"] = $"#/$defs/{name}" };

    private JsonNode Schema(int depth)
    {
        if (_refers && random.Next(5) == 0) return Ref(random.Next(2) == 0 ? "node" : "leaf");
        return depth == 0 ? Scalar() : random.Next(11) switch
        {
            <= 3 => Object(depth - 1),
            <= 5 => Array(depth - 1),
            6 => new JsonObject { ["anyOf"] = Several(1, 4, () => Schema(depth - 1)) },
            7 => OneOf(depth - 1),
            8 => new JsonObject { ["allOf"] = new JsonArray(Schema(depth - 1)), ["description"] = "one" },
            9 => Literals(),
            _ => Scalar(),
        };
    }

    private JsonObject Object(int depth)
    {
        var schema = new JsonObject { ["type"] = "object" };
        if (random.Next(5) == 0)
        {
            schema["additionalProperties"] = Schema(depth);
            var min = random.Next(4);
            if (random.Next(2) == 0) schema["minProperties"] = min;
            if (random.Next(2) == 0) schema["maxProperties"] = min + random.Next(3);
            return schema;
        }

        var names = random.GetItems(Names, random.Next(0, 6)).Distinct().ToList();
        schema["properties"] = new JsonObject(names.Select(name => KeyValuePair.Create(name, (JsonNode?)Schema(depth))));
        schema["required"] = new JsonArray([.. names.Where(_ => random.Next(2) == 0).Select(name => (JsonNode)name)]);
        if (random.Next(8) == 0) schema["required"]!.AsArray().Add("undeclared");
        if (random.Next(2) == 0) schema["additionalProperties"] = random.Next(3) == 0 ? Schema(depth) : schema["required"]!.ToJsonString().Contains("undeclared");
        return schema;
    }

    private JsonObject Array(int depth)
    {
        var schema = new JsonObject { ["type"] = "array" };
        if (random.Next(4) > 0) schema["items"] = random.Next(12) == 0 ? false : Schema(depth);
        if (random.Next(4) == 0) schema["prefixItems"] = Several(1, 3, () => Schema(depth));
        var min = random.Next(4);
        if (random.Next(2) == 0 && schema["items"]?.GetValueKind() is not System.Text.Json.JsonValueKind.False) schema["minItems"] = min;
        if (random.Next(2) == 0) schema["maxItems"] = min + random.Next(4);
        return schema;
    }

    private JsonObject OneOf(int depth) => random.Next(2) == 0
        ? new JsonObject
        {
            ["oneOf"] = new JsonArray(Text(), Number(), new JsonObject { ["type"] = "boolean" }, Array(depth)),
        }
        : new JsonObject
        {
            ["oneOf"] = new JsonArray([.. new[] { "cat", "dog", "bird" }.Select(kind => new JsonObject
            {
                ["type"] = "object",
                ["properties"] = new JsonObject { ["kind"] = new JsonObject { ["const"] = kind }, ["of"] = Schema(depth) },
                ["required"] = new JsonArray("kind", "of"),
            })]),
        };

    private JsonObject Literals()
    {
        var values = new List<JsonNode?>();
        for (var i = random.Next(1, 6); i > 0; i--)
        {
            values.Add(random.Next(7) switch
            {
                0 => null,
                1 => random.Next(2) == 0,
                2 => random.Next(-200, 2000),
                3 => JsonNode.Parse("-12.50"),
                4 => new JsonArray(1, "two", null, new JsonArray()),
                5 => new JsonObject { ["x"] = random.Next(3), ["y"] = new JsonObject() },
                _ => random.GetItems(Words, 1)[0],
            });
        }

        return random.Next(3) == 0
            ? new JsonObject { ["const"] = values[0] }
            : new JsonObject { ["enum"] = new JsonArray([.. values]) };
    }

    private JsonNode Scalar() => random.Next(9) switch
    {
        <= 2 => Text(),
        <= 5 => Number(),
        6 => Literals(),
        7 => new JsonObject { ["type"] = new JsonArray("null", "boolean", "integer") },
        _ => random.Next(3) switch
        {
            0 => true,
            1 => new JsonObject(),
            _ => new JsonObject { ["type"] = "boolean", ["title"] = "yes or no", ["default"] = false },
        },
    };

    private JsonObject Text()
    {
        var schema = new JsonObject { ["type"] = "string" };
        switch (random.Next(6))
        {
            case 0:
                schema["pattern"] = random.GetItems(Patterns, 1)[0];
                break;
            case 1:
                schema["format"] = random.GetItems(["date", "time", "date-time", "uuid", "ipv4"], 1)[0];
                break;
            case 2:
                schema["pattern"] = "[a-f]";
                schema["minLength"] = random.Next(1, 5);
                schema["maxLength"] = random.Next(5, 12);
                break;
            case 3 or 4:
                var min = random.Next(0, 40);
                if (random.Next(2) == 0) schema["minLength"] = min;
                if (random.Next(2) == 0) schema["maxLength"] = min + random.Next(0, 30);
                break;
        }

        return schema;
    }

    private JsonObject Number()
    {
        var isInteger = random.Next(2) == 0;
        var schema = new JsonObject { ["type"] = isInteger ? "integer" : "number" };
        var low = Bound(isInteger);
        var width = isInteger ? random.Next(12, 5000) : random.Next(1, 5000) / 100m;
        if (random.Next(2) == 0) schema[random.Next(2) == 0 ? "minimum" : "exclusiveMinimum"] = low;
        if (random.Next(2) == 0) schema[random.Next(2) == 0 ? "maximum" : "exclusiveMaximum"] = low + width;
        if (random.Next(4) == 0) schema["multipleOf"] = isInteger ? random.Next(1, 12) : 0.01m;
        return schema;
    }

    private decimal Bound(bool isInteger)
    {
        decimal bound = random.Next(6) switch
        {
            0 => 0,
            1 => random.Next(-9, 10),
            2 => random.NextInt64(-10_000_000_000, 10_000_000_000),
            _ => random.Next(-2000, 2000),
        };
        return isInteger ? bound : bound + (random.Next(0, 1000) / 1000m);
    }

    private JsonArray Several(int min, int max, Func<JsonNode> make)
    {
        var array = new JsonArray();
        for (var i = random.Next(min, max + 1); i > 0; i--) array.Add(make());
        return array;
    }
}
