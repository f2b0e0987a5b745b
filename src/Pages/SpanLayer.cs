namespace GrpcLlm.Pages;

/// <summary>Kinds of spans, told apart by their shape: a thin line, a hatched bar, a hollow bar, a full bar.</summary>
internal static class SpanKinds
{
    /// <summary>Not begun yet.</summary>
    public const string Delay = "span-delay";

    /// <summary>In a queue.</summary>
    public const string Queue = "span-queue";

    /// <summary>Begun, nothing to show yet.</summary>
    public const string Wait = "span-wait";

    /// <summary>At work.</summary>
    public const string Active = "span-active";
}

/// <summary>A span of a row.</summary>
/// <param name="Kind">One of <see cref="SpanKinds"/>.</param>
/// <param name="From">Its begin on the x axis.</param>
/// <param name="To">Its end.</param>
internal readonly record struct Span(string Kind, double From, double To);

/// <summary>A row of a timeline.</summary>
/// <param name="Spans">In the order of time.</param>
/// <param name="FailedAt">Where it failed, with a cross; null: it did not.</param>
/// <param name="Text">All about it, for the pointer.</param>
internal sealed record SpanRow(IReadOnlyList<Span> Spans, double? FailedAt, string Text);

/// <summary>Rows of spans from the top, for a y axis of <see cref="Axis.Rows"/>.</summary>
internal sealed record SpanLayer(IReadOnlyList<SpanRow> Rows) : Layer
{
    /// <inheritdoc/>
    public override IEnumerable<string> Areas => Rows.SelectMany(row => row.Spans).Select(span => span.Kind);

    /// <inheritdoc/>
    public override void Draw(Markup markup, PlotFrame frame)
    {
        var height = frame.Height / Rows.Count;
        for (var i = 0; i < Rows.Count; i++)
        {
            using (markup.In("g"))
            {
                markup.Element("title", Rows[i].Text);
                var middle = frame.Top(i);
                markup.Rectangle("hover", "0", "100%", middle - (height / 2), height);
                foreach (var (kind, from, to) in Rows[i].Spans)
                    WriteSpan(markup, frame.Id, kind, frame.Left(from), frame.Width(from, to), middle, Math.Min(height - 2, 12));

                if (Rows[i].FailedAt is { } end)
                    markup.Label("\u2715", "cross", frame.Left(end), middle + 4, anchor: "middle");
            }
        }
    }

    /// <summary>Draws a span around a height, in a plot of that id.</summary>
    internal static void WriteSpan(Markup markup, string id, string kind, string left, string width, double middle, double height)
    {
        height = kind switch
        {
            SpanKinds.Delay => 2,
            SpanKinds.Wait => height * 0.5,
            _ => height,
        };
        markup.Rectangle(kind, left, width, middle - (height / 2), height, PlotPatterns.Fill(id, kind));
    }
}
