namespace GrpcLlm.Pages;

/// <summary>The numbers behind a plot.</summary>
/// <param name="Head">Titles of the columns.</param>
/// <param name="Rows">Rows as long as <paramref name="Head"/>; the first cell names the row.</param>
/// <param name="Note">A remark below; empty: none.</param>
internal sealed record PlotTable(IReadOnlyList<string> Head, IReadOnlyList<IReadOnlyList<string>> Rows, string Note = "");

/// <summary>An entry of a legend.</summary>
/// <param name="Style">Series, or the kind of a span in a timeline.</param>
/// <param name="Label">What it is.</param>
/// <param name="Shape">How its sample is drawn.</param>
internal readonly record struct LegendEntry(string Style, string Label, LegendShape Shape);

/// <summary>Shapes of samples in a legend.</summary>
internal enum LegendShape
{
    /// <summary>A line.</summary>
    Line,

    /// <summary>An area.</summary>
    Area,

    /// <summary>A span of a timeline.</summary>
    Span,

    /// <summary>The cross of a failure.</summary>
    Cross,
}

/// <summary>A plot with all that belongs to it.</summary>
internal sealed record Plot
{
    /// <summary>Unique on the page; letters, digits and hyphens.</summary>
    public required string Id { get; init; }

    /// <summary>What it shows.</summary>
    public required string Title { get; init; }

    /// <summary>What to know to read it: how many, what was left out; empty: nothing.</summary>
    public string Note { get; init; } = "";

    /// <summary>In words, for those who cannot see it: what it says, not what it looks like.</summary>
    public required string Description { get; init; }

    /// <summary>Left to right.</summary>
    public required Axis X { get; init; }

    /// <summary>Bottom to top.</summary>
    public required Axis Y { get; init; }

    /// <summary>Pixels between the ends of <see cref="Y"/>.</summary>
    public double Height { get; init; } = 220;

    /// <summary>What is drawn, the lowest first.</summary>
    public required IReadOnlyList<Layer> Layers { get; init; }

    /// <summary>What cannot be labelled where it is drawn.</summary>
    public IReadOnlyList<LegendEntry> Legend { get; init; } = [];

    /// <summary>The numbers behind it.</summary>
    public required PlotTable Table { get; init; }

    /// <summary>Whether the marks of <see cref="Y"/> are names, which take more room than figures.</summary>
    public bool HasNamedRows { get; init; }

    /// <summary>Whether it takes the whole width of the page.</summary>
    public bool Wide { get; init; }
}
