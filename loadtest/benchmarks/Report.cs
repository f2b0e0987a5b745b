using System.Globalization;
using System.Text;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// What the benchmarks found: sections of text and tables, shown on the terminal as they come and kept as Markdown.
/// Not thread-safe.
/// </summary>
/// <param name="quick">Whether to measure in a short form: shows that everything works, its figures mean little.</param>
internal sealed class Report(bool quick)
{
    private readonly StringBuilder _markdown = new();
    private readonly List<string[]> _goals = [];

    /// <summary>Whether to measure in a short form.</summary>
    public bool Quick => quick;

    /// <summary>The report so far.</summary>
    public string Markdown => _markdown.ToString();

    /// <summary>The one number for the full form, the other for the short one.</summary>
    public int Pick(int full, int inShort) => quick ? inShort : full;

    /// <summary>What was to be reached and what was: figure, goal, measured, whether it is met.</summary>
    public IReadOnlyList<string[]> Goals => _goals;

    /// <summary>Sets a goal against what was measured.</summary>
    public void Goal(string figure, string goal, string measured, bool isMet)
    {
        _goals.Add([figure, goal, measured, isMet ? "yes" : "no"]);
        Console.WriteLine($"goal: {figure}: {goal}; measured {measured}{(isMet ? "" : ": MISSED")}\n");
    }

    /// <summary>Begins a section.</summary>
    public void Section(string title, string text)
    {
        Add($"## {title}\n");
        Note(text);
    }

    /// <summary>Adds a paragraph.</summary>
    public void Note(string text) => Add(text.Trim() + "\n");

    /// <summary>Adds a table: the first column is text, the others are figures.</summary>
    public void Table(string[] columns, IReadOnlyList<string[]> rows) => Add(Format(columns, rows));

    /// <summary>A table as Markdown, its columns set under one another.</summary>
    public static string Format(string[] columns, IReadOnlyList<string[]> rows)
    {
        var widths = columns.Select((column, index) => rows.Select(row => row[index].Length).Append(column.Length).Max()).ToArray();
        var table = new StringBuilder();
        AddRow(columns);
        table.Append('|');
        for (var index = 0; index < widths.Length; index++)
            table.Append(index == 0 ? ' ' + new string('-', widths[0]) + " |" : ' ' + new string('-', widths[index] - 1) + ": |");
        table.Append('\n');
        foreach (var row in rows) AddRow(row);
        return table.ToString();

        void AddRow(string[] cells)
        {
            table.Append('|');
            for (var index = 0; index < cells.Length; index++)
                table.Append(' ').Append(index == 0 ? cells[0].PadRight(widths[0]) : cells[index].PadLeft(widths[index])).Append(" |");
            table.Append('\n');
        }
    }

    /// <summary>Runs a benchmark that prints its own table, and keeps what it prints.</summary>
    public async Task CaptureAsync(Func<Task> benchmark)
    {
        var console = Console.Out;
        using var copy = new StringWriter(CultureInfo.InvariantCulture);
        Console.SetOut(copy);
        try
        {
            await benchmark();
        }
        finally
        {
            Console.SetOut(console);
        }

        Add($"```text\n{copy.ToString().TrimEnd()}\n```\n");
    }

    /// <summary>A number with so many digits behind the point.</summary>
    public static string Number(double value, int digits) =>
        double.IsFinite(value) ? value.ToString("F" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : "–";

    /// <summary>A whole number with its thousands set apart.</summary>
    public static string Whole(double value) =>
        double.IsFinite(value) ? value.ToString("#,0", CultureInfo.InvariantCulture) : "–";

    private void Add(string text)
    {
        Console.WriteLine(text);
        _markdown.Append(text).Append('\n');
    }
}
