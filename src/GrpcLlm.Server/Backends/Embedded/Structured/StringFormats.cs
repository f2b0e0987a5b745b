namespace GrpcLlm.Server.Backends.Embedded.Structured;

/// <summary>Formats of strings that are kept to, as patterns. Each matches valid values only, not all of them.</summary>
internal static class StringFormats
{
    // RFC 3339, years 1000 to 2999, without 29 February.
    private const string Date =
        @"[12]\d{3}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))";

    private const string Time = @"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-](0\d|1[0-3]):[0-5]\d)";

    private const string Byte = @"(\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])";

    /// <summary>Names of all.</summary>
    public const string Known = "date, time, date-time, uuid and ipv4";

    /// <summary>The pattern of a format; null if it is not known.</summary>
    public static string? PatternOf(string? format) => format switch
    {
        "date" => $"^{Date}$",
        "time" => $"^{Time}$",
        "date-time" => $"^{Date}T{Time}$",
        "uuid" => "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        "ipv4" => $"^{Byte}(\\.{Byte}){{3}}$",
        _ => null,
    };
}
