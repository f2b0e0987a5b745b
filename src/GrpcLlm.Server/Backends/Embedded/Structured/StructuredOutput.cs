using System.Text;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>
/// What a request asks of the shape of its answer: a format, or a tool that must be called. Compiled once for equal
/// requests, as far as they are remembered. Thread-safe.
/// </summary>
internal sealed class StructuredOutput
{
    private const string NoBytes =
        "this model has no token for some byte of JSON, so its output cannot be kept to a shape";

    private static readonly Lazy<CompiledShape> JsonObject = new(() => Compile(
        problems => GrammarCompiler.Compile(SchemaReader.Anything(), JsonTypes.Object, problems), ""));

    private readonly Lazy<TokenTrie> _trie;
    private readonly ShapeCache _cache = new();

    /// <param name="vocabulary">The model's tokens.</param>
    public StructuredOutput(Vocabulary vocabulary)
    {
        _trie = new Lazy<TokenTrie>(() => TokenTrie.Of(vocabulary));
        IsPossible = CoversText(vocabulary);
    }

    /// <summary>
    /// Whether the model can write every shape: each byte of which JSON is made has a token of its own, so that every text
    /// can be written, byte by byte.
    /// </summary>
    public bool IsPossible { get; }

    /// <summary>The tools of which one must be called; empty: no tool is called.</summary>
    public static IReadOnlyList<Tool> ForcedTools(GenerateRequest request)
    {
        if (request.ToolChoice is not { Mode: ToolChoiceMode.Required } choice) return [];
        return choice.ToolNames.Count == 0
            ? request.Tools
            : [.. request.Tools.Where(tool => choice.ToolNames.Contains(tool.Name))];
    }

    /// <summary>Names what is wrong with a shape that a request asks for.</summary>
    public void FindUnsupported(GenerateRequest request, Violations violations)
    {
        if (ShapeOf(request) is not { } shape) return;
        if (!IsPossible) violations.Add(FieldOf(request), NoBytes);
        else foreach ((string field, string message) in shape.Problems) violations.Add(field, message);
    }

    /// <summary>What keeps the tokens of an answer to the shape that is asked for; null: there is none.</summary>
    /// <param name="request">A request in which nothing is unsupported.</param>
    /// <param name="maxTokens">Most tokens of the answer.</param>
    public TokenConstraint? ConstraintFor(GenerateRequest request, int maxTokens) =>
        ShapeOf(request)?.Grammar is { } grammar ? new TokenConstraint(grammar, _trie.Value, maxTokens) : null;

    private static bool CoversText(Vocabulary vocabulary)
    {
        var isCovered = new bool[256];
        for (int id = 0; id < vocabulary.Count; id++)
        {
            ReadOnlyMemory<byte> text = TokenTrie.TextOf(vocabulary, id);
            if (text.Length == 1) isCovered[text.Span[0]] = true;
        }

        // Printable ASCII, and what UTF-8 is made of.
        return !isCovered.AsSpan(0x20, 0x5F).Contains(false) && !isCovered.AsSpan(0x80, 0x40).Contains(false)
            && !isCovered.AsSpan(0xC2, 0x33).Contains(false);
    }

    private CompiledShape? ShapeOf(GenerateRequest request)
    {
        if (ForcedTools(request) is { Count: > 0 } tools)
            return _cache.Get(KeyOf(request, tools), () => CompileTools(request, tools));
        ResponseFormat? format = request.Output?.ResponseFormat;
        return format?.FormatCase switch
        {
            ResponseFormat.FormatOneofCase.JsonObject => JsonObject.Value,
            ResponseFormat.FormatOneofCase.JsonSchema =>
                _cache.Get(format.JsonSchema.JsonSchema, () => CompileSchema(format.JsonSchema.JsonSchema, FieldOf(request))),
            _ => null,
        };
    }

    private static string FieldOf(GenerateRequest request) =>
        ForcedTools(request).Count > 0 ? "tools"
        : request.Output?.ResponseFormat?.FormatCase == ResponseFormat.FormatOneofCase.JsonSchema
            ? "output.response_format.json_schema.json_schema"
            : "output.response_format.json_object";

    private static CompiledShape CompileSchema(string schema, string field)
    {
        if (IsTooLong([schema], field) is { } tooLong) return tooLong;
        return Compile(
            problems =>
            {
                SchemaNode node = SchemaReader.Read(schema, problems);
                return problems.Count == 0 ? GrammarCompiler.Compile(node, JsonTypes.All, problems) : null;
            },
            field);
    }

    private static CompiledShape CompileTools(GenerateRequest request, IReadOnlyList<Tool> tools)
    {
        if (IsTooLong(tools.Select(tool => tool.ParametersJsonSchema), "tools") is { } tooLong) return tooLong;
        var faults = new List<(string Field, string Message)>();
        var schemas = new List<(string Name, SchemaNode Arguments)>();
        foreach (Tool tool in tools)
        {
            // Each alone first, so that what is wrong is told by tool.
            var problems = new List<SchemaProblem>();
            SchemaNode node = SchemaReader.Read(SchemaOf(tool), problems);
            Grammar? alone = problems.Count == 0 ? GrammarCompiler.Compile(node, JsonTypes.Object, problems) : null;
            faults.AddRange(FaultsOf(problems, $"tools[{request.Tools.IndexOf(tool)}].parameters_json_schema"));
            if (tools.Count == 1) return new CompiledShape(alone, faults);
            schemas.Add((tool.Name, node));
        }

        return faults.Count > 0
            ? new CompiledShape(null, faults)
            : Compile(problems => GrammarCompiler.CompileCalls(schemas, problems), "tools");
    }

    private static CompiledShape Compile(Func<List<SchemaProblem>, Grammar?> compile, string field)
    {
        var problems = new List<SchemaProblem>();
        return new CompiledShape(compile(problems), [.. FaultsOf(problems, field)]);
    }

    private static IEnumerable<(string Field, string Message)> FaultsOf(IEnumerable<SchemaProblem> problems, string field) =>
        problems.Distinct().Select(problem => (field + problem.Pointer, problem.Message));

    private static CompiledShape? IsTooLong(IEnumerable<string> schemas, string field)
    {
        const int most = StructuredLimits.SchemaBytes;
        int bytes = schemas.Sum(Encoding.UTF8.GetByteCount);
        return bytes <= most
            ? null
            : new CompiledShape(null, [(field, $"must have at most {most} bytes of schema for this model, has {bytes}")]);
    }

    private static string SchemaOf(Tool tool) =>
        tool.ParametersJsonSchema.Length > 0 ? tool.ParametersJsonSchema : """{"properties": {}}""";

    // Tools are told apart by their place too, which stands in the messages.
    private static string KeyOf(GenerateRequest request, IReadOnlyList<Tool> tools) => string.Join(
        '\0', tools.SelectMany(tool => new[] { $"{request.Tools.IndexOf(tool)}", tool.Name, tool.ParametersJsonSchema }));
}
