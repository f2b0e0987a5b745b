using System.Text;

namespace GrpcLlm.Pages;

/// <summary>Something drawn in a plot; later ones lie on top.</summary>
internal abstract record Layer
{
    /// <summary>Styles of its areas.</summary>
    public virtual IEnumerable<string> Areas => [];

    /// <summary>Draws it.</summary>
    public abstract void Draw(Markup markup, PlotFrame frame);

    /// <summary>A path in the stretched inner drawing.</summary>
    protected static void Path(Markup markup, PlotFrame frame, string style, string path)
    {
        if (path.Length == 0) return;
        using (markup.In("svg", ("width", "100%"), ("height", Figures.Coordinate(frame.Height)), ("preserveAspectRatio", "none"),
            ("viewBox", $"0 0 {PlotFrame.Columns} {Figures.Coordinate(frame.Height)}"), ("class", "inner")))
        {
            markup.Empty("path", ("class", style), ("d", path));
        }
    }
}

/// <summary>A line. Neighbours a NaN apart are not joined; a point alone is a dot.</summary>
/// <param name="Style">Classes: a series <c>s1</c> to <c>s6</c>, and <c>dashed</c> or <c>dotted</c>.</param>
/// <param name="Points">Ascending by X; any number.</param>
/// <param name="Label">Text at its end; empty: none.</param>
internal sealed record LineLayer(string Style, IReadOnlyList<PlotPoint> Points, string Label = "") : Layer
{
    /// <inheritdoc/>
    public override void Draw(Markup markup, PlotFrame frame)
    {
        var path = new StringBuilder();
        var dots = new StringBuilder();
        var pen = false;
        var points = Sampling.Line(Points);
        for (var i = 0; i < points.Count; i++)
        {
            if (double.IsNaN(points[i].Y))
            {
                pen = false;
                continue;
            }

            var point = frame.Point(points[i].X, points[i].Y);
            if (!pen && (i + 1 == points.Count || double.IsNaN(points[i + 1].Y)))
            {
                dots.Append('M').Append(point).Append("h0");
                continue;
            }

            path.Append(pen ? 'L' : 'M').Append(point);
            pen = true;
        }

        Path(markup, frame, $"line {Style}", path.ToString());
        Path(markup, frame, $"line lone {Style}", dots.ToString());
    }
}

/// <summary>An area between two lines.</summary>
/// <param name="Style">Classes, see <see cref="LineLayer"/>; <c>faint</c> for an outer band.</param>
/// <param name="Points">Ascending by X; any number.</param>
internal sealed record BandLayer(string Style, IReadOnlyList<BandPoint> Points) : Layer
{
    /// <inheritdoc/>
    public override void Draw(Markup markup, PlotFrame frame)
    {
        var path = new StringBuilder();
        var part = new List<BandPoint>();
        foreach (var point in Sampling.Band(Points).Append(new BandPoint(0, double.NaN, double.NaN)))
        {
            if (!double.IsNaN(point.High))
            {
                part.Add(point);
                continue;
            }

            // There and back again; a point alone has no area.
            if (part.Count > 1)
            {
                path.Append('M').AppendJoin('L', part.Select(p => frame.Point(p.X, p.High)));
                path.Append('L').AppendJoin('L', Enumerable.Reverse(part).Select(p => frame.Point(p.X, p.Low))).Append('Z');
            }

            part.Clear();
        }

        Path(markup, frame, $"band {Style}", path.ToString());
    }
}

/// <summary>A bar of a <see cref="BarLayer"/>.</summary>
/// <param name="Style">Series.</param>
/// <param name="From">Its left end.</param>
/// <param name="To">Its right end.</param>
/// <param name="Low">Its foot.</param>
/// <param name="High">Its head.</param>
internal readonly record struct Bar(string Style, double From, double To, double Low, double High);

/// <summary>Bars, side by side or on top of each other.</summary>
internal sealed record BarLayer(IReadOnlyList<Bar> Bars) : Layer
{
    /// <inheritdoc/>
    public override IEnumerable<string> Areas => Bars.Select(bar => bar.Style);

    /// <inheritdoc/>
    public override void Draw(Markup markup, PlotFrame frame)
    {
        foreach (var bar in Bars)
        {
            // What there is can be seen, however little it is.
            var height = Math.Max(frame.Top(bar.Low) - frame.Top(bar.High), 1.5);
            markup.Rectangle($"bar {bar.Style}", frame.Left(bar.From), frame.Width(bar.From, bar.To),
                frame.Top(bar.Low) - height, height, PlotPatterns.Fill(frame.Id, bar.Style));
        }
    }
}

/// <summary>A limit: a dashed line across with its name.</summary>
/// <param name="Value">On the axis that it crosses.</param>
/// <param name="Label">Its name and value.</param>
/// <param name="Upright">Whether it stands on the x axis.</param>
/// <param name="LabelAtEnd">Whether the label of one that lies is at its right end, else at its left.</param>
internal sealed record LimitLayer(double Value, string Label, bool Upright = false, bool LabelAtEnd = false) : Layer
{
    /// <inheritdoc/>
    public override void Draw(Markup markup, PlotFrame frame)
    {
        if (Upright)
        {
            var left = frame.Left(Value);
            markup.Line("limit", left, left, -4, frame.Height);
            Write(left, 4, atEnd: frame.X.At(Value) > 0.5);
            return;
        }

        var top = frame.Top(Value);
        markup.Line("limit", "0", "100%", top, top);
        Write(LabelAtEnd ? "100%" : "0", top - 5, LabelAtEnd);

        void Write(string x, double y, bool atEnd) =>
            markup.Label(Label, "limit-label", x, y, shift: atEnd ? -6 : 6, anchor: atEnd ? "end" : null);
    }
}

/// <summary>A part of the x axis that is not like the rest.</summary>
internal sealed record ShadeLayer(double From, double To, string Label) : Layer
{
    /// <inheritdoc/>
    public override void Draw(Markup markup, PlotFrame frame)
    {
        markup.Rectangle("shade", frame.Left(From), frame.Width(From, To), 0, frame.Height);
        markup.Label(Label, "shade-label", frame.Left(From), -5, shift: 5);
    }
}

/// <summary>
/// A dot with its value: below and to the right, or above and to the left, where a curve that rises leaves room.
/// </summary>
internal sealed record DotLayer(string Style, PlotPoint Point, string Label, bool Below = false) : Layer
{
    /// <inheritdoc/>
    public override void Draw(Markup markup, PlotFrame frame)
    {
        var (left, top) = (frame.Left(Point.X), frame.Top(Point.Y));

        // Not onto the marks of the x axis.
        var below = Below && top < frame.Height - 18;
        markup.Empty("circle", ("class", $"dot {Style}"), ("cx", left), ("cy", Figures.Coordinate(top)), ("r", "4"));
        markup.Label(Label, "value", left, below ? top + 15 : top - 8, shift: Below ? 7 : -7, anchor: Below ? null : "end");
    }
}

/// <summary>Invisible fields that tell their values when the pointer is over them.</summary>
internal sealed record HoverLayer(IReadOnlyList<(double From, double To, string Text)> Fields) : Layer
{
    /// <inheritdoc/>
    public override void Draw(Markup markup, PlotFrame frame)
    {
        foreach (var (from, to, text) in Fields)
            markup.Rectangle("hover", frame.Left(from), frame.Width(from, to), 0, frame.Height, tip: text);
    }
}
