namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>How the turn of a loop goes on after a statement.</summary>
internal enum TemplateFlow
{
    /// <summary>With the next statement.</summary>
    Next,

    /// <summary>With the next turn.</summary>
    Continue,

    /// <summary>Behind the loop.</summary>
    Break,
}

/// <summary>A statement of a template. Immutable.</summary>
internal abstract record TemplateStatement
{
    /// <summary>Does it.</summary>
    /// <exception cref="TemplateException">It cannot be done.</exception>
    public abstract TemplateFlow Execute(TemplateRun run);

    /// <summary>Does some in a row.</summary>
    public static TemplateFlow Execute(IReadOnlyList<TemplateStatement> body, TemplateRun run)
    {
        foreach (TemplateStatement statement in body)
        {
            run.Charge(1);
            if (statement.Execute(run) is var flow and not TemplateFlow.Next) return flow;
        }

        return TemplateFlow.Next;
    }
}

/// <summary>Text as it stands.</summary>
internal sealed record DataStatement(MarkedText Text) : TemplateStatement
{
    public override TemplateFlow Execute(TemplateRun run)
    {
        run.Write(Text);
        return TemplateFlow.Next;
    }
}

/// <summary><c>{{ value }}</c>.</summary>
internal sealed record OutputStatement(TemplateExpression Value) : TemplateStatement
{
    public override TemplateFlow Execute(TemplateRun run)
    {
        run.Write(TemplateValues.TextOf(Value.Evaluate(run), Value.Line));
        return TemplateFlow.Next;
    }
}

/// <summary><c>{% if %}</c>; a branch without a condition is the last.</summary>
internal sealed record IfStatement(
    IReadOnlyList<(TemplateExpression? Condition, IReadOnlyList<TemplateStatement> Body)> Branches) : TemplateStatement
{
    public override TemplateFlow Execute(TemplateRun run)
    {
        foreach ((TemplateExpression? condition, IReadOnlyList<TemplateStatement> body) in Branches)
        {
            if (condition is null || TemplateValues.IsTrue(condition.Evaluate(run))) return Execute(body, run);
        }

        return TemplateFlow.Next;
    }
}

/// <summary><c>{% set name = value %}</c>, of a variable or a member of a namespace.</summary>
internal sealed record SetStatement(string Name, string? Member, TemplateExpression Value) : TemplateStatement
{
    public override TemplateFlow Execute(TemplateRun run)
    {
        object? value = Value.Evaluate(run);
        if (Member is null) run.Set(Name, value);
        else if (run.Find(Name) is Dictionary<string, object?> mapping) mapping[Member] = value;
        else throw TemplateException.At(Value.Line, $"'{Name}' is no namespace");
        return TemplateFlow.Next;
    }
}

/// <summary><c>{% set name %}…{% endset %}</c>.</summary>
internal sealed record CaptureStatement(string Name, IReadOnlyList<TemplateStatement> Body) : TemplateStatement
{
    public override TemplateFlow Execute(TemplateRun run)
    {
        MarkedText text = run.Capture(() =>
        {
            run.Enter();
            Execute(Body, run);
            run.Leave();
        });
        run.Set(Name, text);
        return TemplateFlow.Next;
    }
}

/// <summary><c>{% break %}</c> or <c>{% continue %}</c>.</summary>
internal sealed record FlowStatement(TemplateFlow Flow) : TemplateStatement
{
    public override TemplateFlow Execute(TemplateRun run) => Flow;
}

/// <summary><c>{% for %}</c> over a list, with or without a condition on its items.</summary>
internal sealed record ForStatement(
    IReadOnlyList<string> Names, TemplateExpression Items, TemplateExpression? Condition,
    IReadOnlyList<TemplateStatement> Body, IReadOnlyList<TemplateStatement> Otherwise) : TemplateStatement
{
    public override TemplateFlow Execute(TemplateRun run)
    {
        List<object?> items = Chosen(run);
        if (items.Count == 0) return Execute(Otherwise, run);
        for (int i = 0; i < items.Count; i++)
        {
            run.Enter();
            SetItem(items[i], run);
            run.Set("loop", LoopAt(items, i));
            TemplateFlow flow = Execute(Body, run);
            run.Leave();
            if (flow == TemplateFlow.Break) break;
        }

        return TemplateFlow.Next;
    }

    private List<object?> Chosen(TemplateRun run)
    {
        List<object?> items = Items.Evaluate(run) switch
        {
            List<object?> list => list,
            Dictionary<string, object?> mapping => [.. mapping.Keys.Select(key => MarkedText.Of(key))],
            TemplateValues.UndefinedValue => [],
            var other => throw TemplateException.At(Items.Line, $"there is no loop over {TemplateValues.KindOf(other)} here"),
        };
        run.Charge(items.Count);
        return Condition is null ? items : items.FindAll(item =>
        {
            run.Enter();
            SetItem(item, run);
            bool isChosen = TemplateValues.IsTrue(Condition.Evaluate(run));
            run.Leave();
            return isChosen;
        });
    }

    private void SetItem(object? item, TemplateRun run)
    {
        if (Names.Count == 1)
        {
            run.Set(Names[0], item);
            return;
        }

        if (item is not List<object?> parts || parts.Count != Names.Count)
            throw TemplateException.At(Items.Line, $"an item does not fall into {Names.Count} parts");
        for (int i = 0; i < parts.Count; i++) run.Set(Names[i], parts[i]);
    }

    private static Dictionary<string, object?> LoopAt(List<object?> items, int index) => new(StringComparer.Ordinal)
    {
        ["index"] = index + 1L,
        ["index0"] = (long)index,
        ["revindex"] = (long)items.Count - index,
        ["revindex0"] = items.Count - index - 1L,
        ["first"] = index == 0,
        ["last"] = index == items.Count - 1,
        ["length"] = (long)items.Count,
        ["previtem"] = index == 0 ? TemplateValues.Undefined : items[index - 1],
        ["nextitem"] = index == items.Count - 1 ? TemplateValues.Undefined : items[index + 1],
    };
}
