using System.Globalization;

namespace GrpcLlm.Pages;

/// <summary>
/// Where things are in a plot. It is as wide as its place on the page, so x is a share of the width and y is pixels; what
/// has to be a path is drawn in an inner drawing that is stretched, <see cref="Columns"/> units wide.
/// </summary>
/// <param name="X">Left to right.</param>
/// <param name="Y">Bottom to top.</param>
/// <param name="Height">Pixels between the ends of <paramref name="Y"/>.</param>
/// <param name="Id">Prefix of ids in this plot.</param>
internal sealed record PlotFrame(Axis X, Axis Y, double Height, string Id)
{
    /// <summary>Width of the inner drawing in its own units.</summary>
    public const int Columns = 1000;

    /// <summary>A value of x for an attribute of the outer drawing.</summary>
    public string Left(double x) => Percent(X.At(x));

    /// <summary>The distance of two values of x for an attribute of the outer drawing.</summary>
    public string Width(double from, double to) => Percent(X.At(to) - X.At(from));

    /// <summary>A value of y in pixels from the top.</summary>
    public double Top(double y) => (1 - Y.At(y)) * Height;

    /// <summary>A point for a path of the inner drawing.</summary>
    public string Point(double x, double y) =>
        string.Create(CultureInfo.InvariantCulture, $"{X.At(x) * Columns:0.#} {Top(y):0.#}");

    /// <summary>A share of the width as an attribute.</summary>
    public static string Percent(double share) => Figures.Coordinate(share * 100) + "%";
}
