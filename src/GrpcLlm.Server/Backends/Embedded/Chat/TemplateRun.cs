namespace GrpcLlm.Server.Backends.Embedded.Chat;

/// <summary>
/// One run of a template: its variables, what it has written, and how much work it may still do. Not thread-safe.
/// </summary>
/// <param name="variables">What the template is given.</param>
/// <param name="budget">Steps: expressions, stretches of text copied, and characters read over.</param>
internal sealed class TemplateRun(Dictionary<string, object?> variables, long budget)
{
    private readonly List<Dictionary<string, object?>> _scopes = [variables];
    private List<MarkedText> _output = [];
    private long _left = budget;

    /// <summary>What is written by now.</summary>
    public MarkedText Output => MarkedText.Join(_output);

    /// <summary>Counts work.</summary>
    /// <exception cref="TemplateException">The template does more than any conversation needs.</exception>
    public void Charge(long steps)
    {
        _left -= steps;
        if (_left < 0) throw new TemplateException("it takes too many steps");
    }

    /// <summary>Writes a text.</summary>
    public void Write(MarkedText text)
    {
        Charge(1 + text.Parts.Count);
        _output.Add(text);
    }

    /// <summary>Two texts as one.</summary>
    public MarkedText Joined(MarkedText first, MarkedText second)
    {
        Charge(1 + first.Parts.Count + second.Parts.Count);
        return MarkedText.Join([first, second]);
    }

    /// <summary>What a body writes, kept out of the output.</summary>
    public MarkedText Capture(Action body)
    {
        List<MarkedText> output = _output;
        _output = [];
        body();
        MarkedText captured = Output;
        _output = output;
        return captured;
    }

    /// <summary>A variable, of the innermost scope that has it.</summary>
    public object? Find(string name)
    {
        Charge(1);
        for (int i = _scopes.Count - 1; i >= 0; i--)
        {
            if (_scopes[i].TryGetValue(name, out object? value)) return value;
        }

        return TemplateValues.Undefined;
    }

    /// <summary>Sets a variable of the innermost scope.</summary>
    public void Set(string name, object? value) => _scopes[^1][name] = value;

    /// <summary>Opens a scope; a loop has one for each turn.</summary>
    public void Enter() => _scopes.Add(new Dictionary<string, object?>(StringComparer.Ordinal));

    /// <summary>Closes the innermost scope.</summary>
    public void Leave() => _scopes.RemoveAt(_scopes.Count - 1);
}
