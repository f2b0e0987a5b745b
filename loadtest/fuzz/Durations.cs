using System.Globalization;

namespace GrpcLlm.Fuzz;

/// <summary>Durations on a command line: a number and a unit, <c>s</c>, <c>m</c> or <c>h</c>.</summary>
internal static class Durations
{
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = default;
        if (text.Length < 2 || !double.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            return false;
        var seconds = text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, _ => 0 };
        if (seconds == 0 || number * seconds is <= 0 or > 864_000) return false;
        duration = TimeSpan.FromSeconds(number * seconds);
        return true;
    }
}
