using System.Text.Json;

namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>
/// Makes a <see cref="Grammar"/> of schemas. JSON is written without white space, but for one space that may follow a
/// comma or colon; properties in the order in which they are declared, then required ones that are not, then others.
/// Not thread-safe.
/// </summary>
internal sealed class GrammarCompiler
{
    private readonly GrammarBuilder _builder = new();
    private readonly StringRules _strings;
    private readonly NumberStates _numbers;
    private readonly Dictionary<(SchemaNode Node, JsonTypes Type), int> _rules = [];
    private readonly Queue<Action> _unbuilt = new();
    private readonly List<SchemaProblem> _problems;
    private readonly HashSet<SchemaNode> _compared = [];
    private readonly StepBudget _comparisons = new(StructuredLimits.Comparisons);

    private GrammarCompiler(List<SchemaProblem> problems)
    {
        _problems = problems;
        _strings = new StringRules(_builder);
        _numbers = new NumberStates(_builder);
    }

    /// <summary>A document of a schema.</summary>
    /// <param name="node">The schema.</param>
    /// <param name="types">Types that the document may have.</param>
    /// <param name="problems">Gets what is wrong.</param>
    /// <returns>The grammar; null if something is wrong.</returns>
    public static Grammar? Compile(SchemaNode node, JsonTypes types, List<SchemaProblem> problems) =>
        new GrammarCompiler(problems).Compile((compiler, from, to) => compiler.Value(node, types, from, to));

    /// <summary>
    /// A call of one of several tools: <c>{"name":"…","arguments":{…}}</c>, with the arguments that the tool takes.
    /// </summary>
    /// <param name="tools">Names and schemas of the arguments.</param>
    /// <param name="problems">Gets what is wrong.</param>
    /// <returns>The grammar; null if something is wrong.</returns>
    public static Grammar? CompileCalls(IEnumerable<(string Name, SchemaNode Arguments)> tools, List<SchemaProblem> problems) =>
        new GrammarCompiler(problems).Compile((compiler, from, to) =>
        {
            foreach ((string name, SchemaNode arguments) in tools) compiler.ToolCall(name, arguments, from, to);
        });

    private Grammar? Compile(Action<GrammarCompiler, int, int> document)
    {
        try
        {
            document(this, _builder.Start, _builder.End);
            while (_problems.Count == 0 && _unbuilt.TryDequeue(out Action? build)) build();
            if (_problems.Count > 0) return null;
            Grammar grammar = _builder.Build();
            if (grammar.HasDocuments) return grammar;
            _problems.Add(new SchemaProblem("#", "matches no document that can be written"));
        }
        catch (GrammarTooLargeException exception)
        {
            _problems.Add(new SchemaProblem("#", exception.Message));
        }

        return null;
    }

    private void ToolCall(string name, SchemaNode arguments, int from, int to)
    {
        int rule = _builder.NewRule(RuleKind.Container);
        _builder.Call(from, '{', rule, to);
        int start = _builder.RuleAt(rule).Start;
        int named = _builder.NewState(rule);
        _builder.Call(KeyOf("name", start), '"', _strings.Matching(CodePointDfa.OfLiterals([name])), named);
        int end = _builder.NewState(rule);
        Value(arguments, JsonTypes.Object, KeyOf("arguments", _builder.Separator(named, ',')), end);
        _builder.Return(end, '}');
    }

    private void Value(SchemaNode node, JsonTypes types, int from, int to)
    {
        if (Alternatives.Of(node, types) is not { } alternatives)
        {
            _problems.Add(new SchemaProblem(
                node.Pointer, $"has more than {StructuredLimits.Alternatives} alternatives, through references too"));
            return;
        }

        CheckExclusive(node);
        foreach (Alternative alternative in alternatives)
        {
            if (alternative.Literals is { } literals) Literals(alternative.Node, [.. literals], from, to);
            else Typed(alternative.Node, alternative.Types, from, to);
        }
    }

    // Of the schema and of those within it that are alternatives of it.
    private void CheckExclusive(SchemaNode node)
    {
        var open = new Stack<SchemaNode>([node]);
        while (open.TryPop(out SchemaNode? next))
        {
            if (!_compared.Add(next)) continue;
            if (next.IsExclusive && !Alternatives.ExcludeEachOther(next, _comparisons))
            {
                _problems.Add(new SchemaProblem(
                    next.Pointer + "/oneOf",
                    "has branches that do not surely exclude each other by type, value or a required property: use 'anyOf'"));
            }

            foreach (SchemaNode part in next.AnyOf ?? []) open.Push(part);
        }
    }

    private void Typed(SchemaNode node, JsonTypes types, int from, int to)
    {
        if (types.HasFlag(JsonTypes.Null)) _builder.Text(from, "null", to);
        if (types.HasFlag(JsonTypes.Boolean))
        {
            _builder.Text(from, "true", to);
            _builder.Text(from, "false", to);
        }

        if (types.HasFlag(JsonTypes.Number)) _numbers.Add(node.Numbers, from, to);
        else if (types.HasFlag(JsonTypes.Integer)) _numbers.Add(node.Numbers with { FractionDigits = 0 }, from, to);
        if (types.HasFlag(JsonTypes.String) && node.MinLength <= node.MaxLength)
            _builder.Call(from, '"', RuleOf(node, JsonTypes.String), to);
        if (types.HasFlag(JsonTypes.Array) && node.MinItems <= node.MaxItems)
            _builder.Call(from, '[', RuleOf(node, JsonTypes.Array), to);
        if (types.HasFlag(JsonTypes.Object) && node.MinProperties <= node.MaxProperties)
            _builder.Call(from, '{', RuleOf(node, JsonTypes.Object), to);
    }

    // A schema has one rule for each type, wherever it is used. What is inside is built later, since it may use itself.
    private int RuleOf(SchemaNode node, JsonTypes type)
    {
        if (_rules.TryGetValue((node, type), out int rule)) return rule;
        if (type == JsonTypes.String)
        {
            return _rules[(node, type)] =
                node.Pattern is { } pattern ? _strings.Matching(pattern) : _strings.Free(node.MinLength, node.MaxLength);
        }

        _rules[(node, type)] = rule = _builder.NewRule(RuleKind.Container);
        int made = rule;
        _unbuilt.Enqueue(() =>
        {
            if (type == JsonTypes.Array) Array(node, made);
            else Object(node, made);
        });
        return rule;
    }

    private void Object(SchemaNode node, int rule)
    {
        int empty = _builder.RuleAt(rule).Start;
        if (node.Properties.Count == 0)
        {
            Repeated(rule, empty, '}', node.MinProperties, node.MaxProperties, node.FurtherProperties is { } value
                ? (from, to) => FurtherProperty(node, value, from, to)
                : null);
            return;
        }

        // Before each property, nothing is written yet or something is. Without a comma in the first case.
        int some = _builder.NewState(rule);
        foreach (SchemaProperty property in node.Properties)
        {
            (int nextEmpty, int nextSome) = (_builder.NewState(rule), _builder.NewState(rule));
            int named = _builder.NewState(rule);
            int key = _strings.Key(property.Name);
            _builder.Call(empty, '"', key, named);
            _builder.Call(_builder.Separator(some, ','), '"', key, named);
            Value(property.Value, JsonTypes.All, _builder.Separator(named, ':'), nextSome);
            if (!property.IsRequired)
            {
                _builder.Empty(empty, nextEmpty);
                _builder.Empty(some, nextSome);
            }

            (empty, some) = (nextEmpty, nextSome);
        }

        if (node.FurtherProperties is { } further)
        {
            int next = _builder.NewState(rule);
            _builder.Empty(empty, next);
            _builder.Empty(_builder.Separator(some, ','), next);
            FurtherProperty(node, further, next, some);
        }

        _builder.Return(empty, '}');
        _builder.Return(some, '}');
    }

    private void FurtherProperty(SchemaNode node, SchemaNode value, int from, int to)
    {
        int named = _builder.NewStateBeside(from);
        _builder.Call(from, '"', _strings.FreeKey(node.Properties.Select(property => property.Name)), named);
        Value(value, JsonTypes.All, _builder.Separator(named, ':'), to);
    }

    private void Array(SchemaNode node, int rule)
    {
        int state = _builder.RuleAt(rule).Start;
        int written = 0;
        foreach (SchemaNode item in node.FirstItems.Take(node.MaxItems))
        {
            if (written >= node.MinItems) _builder.Return(state, ']');
            int next = _builder.NewState(rule);
            Value(item, JsonTypes.All, written == 0 ? state : _builder.Separator(state, ','), next);
            (state, written) = (next, written + 1);
        }

        Action<int, int>? further = node.Items is { } items && written == node.FirstItems.Count
            ? (from, to) => Value(items, JsonTypes.All, from, to)
            : null;
        int min = Math.Max(node.MinItems - written, 0);
        int max = node.MaxItems == int.MaxValue ? int.MaxValue : node.MaxItems - written;
        if (written == 0)
        {
            Repeated(rule, state, ']', min, max, further);
        }
        else if (further is null)
        {
            if (min == 0) _builder.Return(state, ']');
        }
        else
        {
            int item = _builder.NewState(rule);
            further(item, state);
            RepeatedAfter(rule, state, item, ']', min, max);
        }
    }

    // Between min and max elements with commas, the first of them without.
    private void Repeated(int rule, int start, char closing, int min, int max, Action<int, int>? element)
    {
        if (min == 0) _builder.Return(start, closing);
        if (max == 0 || element is null) return;
        int item = _builder.NewState(rule);
        int behind = _builder.NewState(rule);
        _builder.Empty(start, item);
        element(item, behind);
        RepeatedAfter(rule, behind, item, closing, Math.Max(min - 1, 0), max == int.MaxValue ? max : max - 1);
    }

    // Between min and max times a comma, and what leads from an item back behind it.
    private void RepeatedAfter(int rule, int behind, int item, char closing, int min, int max)
    {
        _builder.Return(behind, closing, isCounted: true);
        int next = _builder.Separator(behind, ',', isCounted: true);
        _builder.Empty(next, item);
        if (min == 0 && max == int.MaxValue) return;
        _builder.RuleAt(rule).Min = min;
        _builder.RuleAt(rule).Max = max;
        _builder.RuleAt(rule).Loop = next;
    }

    private void Literals(SchemaNode node, List<JsonElement> values, int from, int to)
    {
        List<string> strings = [.. values.Where(value => value.ValueKind == JsonValueKind.String).Select(value => value.GetString()!)];
        if (strings.Count > 0)
        {
            if (!_rules.TryGetValue((node, JsonTypes.String), out int rule))
                _rules[(node, JsonTypes.String)] = rule = _strings.Matching(CodePointDfa.OfLiterals(strings));
            _builder.Call(from, '"', rule, to);
        }

        // Numbers and words that begin alike share their states.
        var states = new Dictionary<string, int>(StringComparer.Ordinal) { [""] = from };
        foreach (JsonElement value in values)
        {
            if (value.ValueKind is JsonValueKind.Array or JsonValueKind.Object) Composite(value, from, to);
            else if (value.ValueKind != JsonValueKind.String) _builder.Empty(StateOf(value.GetRawText()), to);
        }

        int StateOf(string text)
        {
            int length = text.Length;
            while (!states.ContainsKey(text[..length])) length--;
            for (; length < text.Length; length++)
            {
                int next = _builder.NewStateBeside(from);
                _builder.Byte(states[text[..length]], text[length], text[length], next);
                states[text[..(length + 1)]] = next;
            }

            return states[text];
        }
    }

    private void Composite(JsonElement value, int from, int to)
    {
        int rule = _builder.NewRule(RuleKind.Container);
        int state = _builder.RuleAt(rule).Start;
        bool isObject = value.ValueKind == JsonValueKind.Object;
        _builder.Call(from, isObject ? '{' : '[', rule, to);
        IEnumerable<(string? Name, JsonElement Value)> parts = isObject
            ? value.EnumerateObject().Select(property => ((string?)property.Name, property.Value))
            : value.EnumerateArray().Select(element => ((string?)null, element));
        bool isFirst = true;
        foreach ((string? name, JsonElement part) in parts)
        {
            if (!isFirst) state = _builder.Separator(state, ',');
            isFirst = false;
            if (name is not null) state = KeyOf(name, state);
            int next = _builder.NewState(rule);
            Literals(new SchemaNode("#"), [part], state, next);
            state = next;
        }

        _builder.Return(state, isObject ? '}' : ']');
    }

    // The name of a property and its colon.
    private int KeyOf(string name, int from)
    {
        int named = _builder.NewStateBeside(from);
        _builder.Call(from, '"', _strings.Key(name), named);
        return _builder.Separator(named, ':');
    }
}
