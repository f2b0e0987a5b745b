namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>
/// An expression of a template. Values: null for none, <see cref="TemplateValues.Undefined"/>, <c>bool</c>, <c>long</c>,
/// <see cref="MarkedText"/>, <c>List&lt;object?&gt;</c> and <c>Dictionary&lt;string, object?&gt;</c>. Immutable.
/// </summary>
/// <param name="Line">Line from 1.</param>
internal abstract record TemplateExpression(int Line)
{
    /// <summary>Its value.</summary>
    /// <exception cref="TemplateException">It has none.</exception>
    public abstract object? Evaluate(TemplateRun run);

    protected TemplateException Fault(string message) => TemplateException.At(Line, message);
}

/// <summary>A value that stands in the template.</summary>
internal sealed record ConstantExpression(int Line, object? Value) : TemplateExpression(Line)
{
    public override object? Evaluate(TemplateRun run) => Value;
}

/// <summary>A list or tuple.</summary>
internal sealed record ListExpression(int Line, IReadOnlyList<TemplateExpression> Items) : TemplateExpression(Line)
{
    public override object Evaluate(TemplateRun run) => Items.Select(item => item.Evaluate(run)).ToList();
}

/// <summary>A mapping.</summary>
internal sealed record MappingExpression(int Line, IReadOnlyList<(TemplateExpression Key, TemplateExpression Value)> Items)
    : TemplateExpression(Line)
{
    public override object Evaluate(TemplateRun run)
    {
        var mapping = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach ((TemplateExpression key, TemplateExpression value) in Items)
            mapping[TemplateValues.KeyOf(key.Evaluate(run)) ?? throw Fault("only texts are keys here")] = value.Evaluate(run);
        return mapping;
    }
}

/// <summary>A variable.</summary>
internal sealed record NameExpression(int Line, string Name) : TemplateExpression(Line)
{
    public override object? Evaluate(TemplateRun run) => run.Find(Name);
}

/// <summary><c>target.name</c> or <c>target[key]</c>.</summary>
internal sealed record MemberExpression(int Line, TemplateExpression Target, TemplateExpression Key) : TemplateExpression(Line)
{
    public override object? Evaluate(TemplateRun run)
    {
        run.Charge(1);
        object? target = Target.Evaluate(run);
        object? key = Key.Evaluate(run);
        return target switch
        {
            Dictionary<string, object?> mapping when TemplateValues.KeyOf(key) is { } name =>
                mapping.TryGetValue(name, out object? value) ? value : TemplateValues.Undefined,
            List<object?> list when key is long index => ItemAt(list, index),
            MarkedText text when key is long index => CharacterAt(text, index),
            null => throw Fault("none has no members"),
            TemplateValues.UndefinedValue => throw Fault("what is not defined has no members"),
            _ => TemplateValues.Undefined,
        };
    }

    private static object? ItemAt(List<object?> list, long index)
    {
        long place = index < 0 ? index + list.Count : index;
        return place >= 0 && place < list.Count ? list[(int)place] : TemplateValues.Undefined;
    }

    private static object CharacterAt(MarkedText text, long index)
    {
        long place = index < 0 ? index + text.Length : index;
        return place >= 0 && place < text.Length ? text.Slice((int)place, 1) : TemplateValues.Undefined;
    }
}

/// <summary><c>target[start:end:step]</c>; null for what is left out.</summary>
internal sealed record SliceExpression(
    int Line, TemplateExpression Target, TemplateExpression? Start, TemplateExpression? End, TemplateExpression? Step)
    : TemplateExpression(Line)
{
    public override object? Evaluate(TemplateRun run)
    {
        object? target = Target.Evaluate(run);
        long? start = NumberOf(Start, run);
        long? end = NumberOf(End, run);
        long step = NumberOf(Step, run) ?? 1;
        switch (target)
        {
            case List<object?> list when step == 1:
                run.Charge(list.Count);
                (int first, int count) = Bounds(start, end, list.Count);
                return list.GetRange(first, count);
            case List<object?> list when step == -1 && start is null && end is null:
                run.Charge(list.Count);
                return Enumerable.Reverse(list).ToList();
            case MarkedText text when step == 1:
                (first, count) = Bounds(start, end, text.Length);
                return text.Slice(first, count);
            default:
                throw Fault("this slice is not done here");
        }
    }

    private long? NumberOf(TemplateExpression? expression, TemplateRun run) =>
        expression?.Evaluate(run) switch
        {
            null => null,
            long number => number,
            _ => throw Fault("the bounds of a slice must be whole numbers"),
        };

    private static (int Start, int Count) Bounds(long? start, long? end, int length)
    {
        long from = Place(start ?? 0, length);
        long to = Place(end ?? length, length);
        return ((int)from, (int)Math.Max(0, to - from));
    }

    private static long Place(long index, int length) => Math.Clamp(index < 0 ? index + length : index, 0, length);
}

/// <summary><c>then if condition else otherwise</c>.</summary>
internal sealed record ConditionalExpression(
    int Line, TemplateExpression Condition, TemplateExpression Then, TemplateExpression? Otherwise) : TemplateExpression(Line)
{
    public override object? Evaluate(TemplateRun run) =>
        TemplateValues.IsTrue(Condition.Evaluate(run)) ? Then.Evaluate(run)
        : Otherwise is null ? TemplateValues.Undefined : Otherwise.Evaluate(run);
}

/// <summary><c>not value</c>.</summary>
internal sealed record NotExpression(int Line, TemplateExpression Value) : TemplateExpression(Line)
{
    public override object Evaluate(TemplateRun run) => !TemplateValues.IsTrue(Value.Evaluate(run));
}

/// <summary><c>-value</c>.</summary>
internal sealed record MinusExpression(int Line, TemplateExpression Value) : TemplateExpression(Line)
{
    public override object Evaluate(TemplateRun run) =>
        Value.Evaluate(run) is long number and not long.MinValue ? -number : throw Fault("only a whole number has a negative");
}

/// <summary>Two values and what stands between them.</summary>
internal sealed record BinaryExpression(int Line, string Operator, TemplateExpression Left, TemplateExpression Right)
    : TemplateExpression(Line)
{
    public override object? Evaluate(TemplateRun run)
    {
        run.Charge(1);
        object? left = Left.Evaluate(run);
        switch (Operator)
        {
            case "and": return TemplateValues.IsTrue(left) ? Right.Evaluate(run) : left;
            case "or": return TemplateValues.IsTrue(left) ? left : Right.Evaluate(run);
        }

        object? right = Right.Evaluate(run);
        return Operator switch
        {
            "==" => TemplateValues.AreEqual(left, right),
            "!=" => !TemplateValues.AreEqual(left, right),
            "in" => TemplateValues.IsIn(left, right, run, Line),
            "not in" => !TemplateValues.IsIn(left, right, run, Line),
            "~" => run.Joined(TemplateValues.TextOf(left, Line), TemplateValues.TextOf(right, Line)),
            "+" when left is MarkedText first && right is MarkedText second => run.Joined(first, second),
            "+" when left is List<object?> first && right is List<object?> second => Appended(first, second, run),
            _ when left is long first && right is long second => Calculate(first, second),
            _ => throw Fault($"'{Operator}' has no meaning between {TemplateValues.KindOf(left)} and {TemplateValues.KindOf(right)}"),
        };
    }

    private static List<object?> Appended(List<object?> first, List<object?> second, TemplateRun run)
    {
        run.Charge(first.Count + second.Count);
        return [.. first, .. second];
    }

    // Remainder and quotient round down, as in Python.
    private object Calculate(long left, long right)
    {
        try
        {
            return Operator switch
            {
                "+" => checked(left + right),
                "-" => checked(left - right),
                "*" => checked(left * right),
                "<" => left < right,
                ">" => left > right,
                "<=" => left <= right,
                ">=" => left >= right,
                "%" => (left % right + right) % right,
                "//" => (left - ((left % right + right) % right)) / right,
                _ => throw Fault($"'{Operator}' is not done here"),
            };
        }
        catch (ArithmeticException)
        {
            throw Fault($"the result of '{Operator}' is no number");
        }
    }
}

/// <summary>A call of a function, a method or a filter, or a test.</summary>
/// <param name="Line">Line from 1.</param>
/// <param name="Kind">Which of them.</param>
/// <param name="Name">Its name.</param>
/// <param name="Target">What it is done to; null for a function.</param>
/// <param name="Arguments">Arguments by place.</param>
/// <param name="Named">Arguments by name.</param>
internal sealed record CallExpression(
    int Line, CallKind Kind, string Name, TemplateExpression? Target, IReadOnlyList<TemplateExpression> Arguments,
    IReadOnlyList<(string Name, TemplateExpression Value)> Named) : TemplateExpression(Line)
{
    public override object? Evaluate(TemplateRun run)
    {
        run.Charge(1);
        object? target = Target?.Evaluate(run);
        var arguments = new TemplateArguments(
            run, Line, [.. Arguments.Select(argument => argument.Evaluate(run))],
            Named.ToDictionary(argument => argument.Name, argument => argument.Value.Evaluate(run), StringComparer.Ordinal));
        return Kind switch
        {
            CallKind.Function => TemplateFunctions.Call(Name, arguments),
            CallKind.Method => TemplateFunctions.CallMethod(Name, target, arguments),
            CallKind.Filter => TemplateFilters.Apply(Name, target, arguments),
            _ => TemplateTests.Holds(Name, target, arguments),
        };
    }
}

/// <summary>What is called.</summary>
internal enum CallKind
{
    /// <summary><c>name(…)</c>.</summary>
    Function,

    /// <summary><c>target.name(…)</c>.</summary>
    Method,

    /// <summary><c>target | name(…)</c>.</summary>
    Filter,

    /// <summary><c>target is name(…)</c>.</summary>
    Test,
}
