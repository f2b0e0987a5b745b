namespace GrpcLlm.Pages;

/// <summary>A share as a bar with its number, and a mark where it had to be.</summary>
internal static class Meter
{
    /// <summary>Writes a meter; <paramref name="share"/> and <paramref name="required"/> are 0 to 1.</summary>
    public static void Write(Markup markup, string label, double share, double? required = null)
    {
        var missed = share < required;
        var text = Figures.Share(share);
        if (required is { } least) label += $", {Figures.Given(Figures.Share(least))} required";
        using (markup.In("div", ("class", "meter")))
        {
            using (markup.In("p"))
            {
                markup.Element("span", label);
                markup.Element("strong", text, ("class", missed ? "bad" : null));
            }

            using (markup.In("svg", ("role", "img"), ("aria-label", $"{label}: {text}"), ("width", "100%"), ("height", "12")))
            {
                markup.Rectangle("track", "0", "100%", 2, 8);
                markup.Rectangle(missed ? "level missed" : "level", "0", PlotFrame.Percent(Math.Clamp(share, 0, 1)), 2, 8);
                if (required is { } mark) markup.Line("mark", PlotFrame.Percent(mark), PlotFrame.Percent(mark), 0, 12);
            }
        }
    }
}
