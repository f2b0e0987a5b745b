using System.Globalization;
using System.Text.Json;

namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>
/// Which numbers may be written: a range, and how fine. Numbers have at most <see cref="StructuredLimits.Digits"/>
/// digits, no exponent and no negative zero, so that every reader gets the number that is written.
/// </summary>
internal sealed record NumberRange
{
    /// <summary>No number that is written is as large.</summary>
    private const decimal Beyond = 1_000_000_000_000_000;

    /// <summary>Smallest; null: none.</summary>
    public decimal? Low { get; init; }

    /// <summary>Whether <see cref="Low"/> itself is left out.</summary>
    public bool IsLowExclusive { get; init; }

    /// <summary>Largest; null: none.</summary>
    public decimal? High { get; init; }

    /// <summary>Whether <see cref="High"/> itself is left out.</summary>
    public bool IsHighExclusive { get; init; }

    /// <summary>Most digits behind the point; 0: whole numbers.</summary>
    public int FractionDigits { get; init; } = StructuredLimits.Digits - 1;

    /// <summary>Whole numbers are multiples of it.</summary>
    public int MultipleOf { get; init; } = 1;

    /// <summary>The whole numbers of it, with bounds that are whole and included.</summary>
    public NumberRange Whole()
    {
        decimal? low = Low is { } least ? decimal.Ceiling(least) : null;
        if (low == Low && IsLowExclusive) low++;
        decimal? high = High is { } most ? decimal.Floor(most) : null;
        if (high == High && IsHighExclusive) high--;
        return this with { Low = low, IsLowExclusive = false, High = high, IsHighExclusive = false, FractionDigits = 0 };
    }

    /// <summary>This, and no smaller than a bound.</summary>
    public NumberRange AtLeast(decimal bound, bool isExclusive) =>
        bound < Low || (bound == Low && !isExclusive) ? this : this with { Low = bound, IsLowExclusive = isExclusive };

    /// <summary>This, and no larger than a bound.</summary>
    public NumberRange AtMost(decimal bound, bool isExclusive) =>
        bound > High || (bound == High && !isExclusive) ? this : this with { High = bound, IsHighExclusive = isExclusive };

    /// <summary>Reads a bound.</summary>
    /// <param name="value">A JSON number.</param>
    /// <param name="bound">The bound; beyond what is written anyway, just there.</param>
    /// <returns>Whether it can be kept to exactly: it has few enough digits, or is beyond.</returns>
    public static bool TryReadBound(JsonElement value, out decimal bound)
    {
        bound = Math.Sign(value.GetDouble()) * Beyond;
        if (Math.Abs(value.GetDouble()) >= (double)Beyond) return true;
        return decimal.TryParse(value.GetRawText(), NumberStyles.Float, CultureInfo.InvariantCulture, out bound)
            && bound == decimal.Round(bound, StructuredLimits.Digits)
            && (double)bound == value.GetDouble();
    }
}
