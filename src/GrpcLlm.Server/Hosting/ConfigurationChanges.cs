namespace GrpcLlm.Server.Hosting;

/// <summary>Says in kind what differs between two states of the configuration, never a value. Stateless.</summary>
internal static class ConfigurationChanges
{
    // The sections whose children have names of the operator's own.
    private static readonly string[] Named =
        [nameof(GrpcLlmOptions.Backends), nameof(GrpcLlmOptions.Models), nameof(GrpcLlmOptions.Tenants)];

    /// <summary>
    /// One entry for each part: <c>Backends:openai changed</c>, <c>Tenants:billing added</c>, <c>Streaming changed</c>.
    /// </summary>
    public static IReadOnlyList<string> Between(SettingsSnapshot before, SettingsSnapshot after) =>
    [
        .. before.DifferingKeys(after)
            .Where(key => !IsBare(key, before) || !IsBare(key, after))
            .Select(PartOf).Distinct(StringComparer.OrdinalIgnoreCase).Order(StringComparer.OrdinalIgnoreCase)
            .Select(part => $"{part} {Kind(before.Has(Path(part)), after.Has(Path(part)))}"),
    ];

    // The node of a section is there with its first child and gone with its last, which says nothing new.
    private static bool IsBare(string key, SettingsSnapshot settings) =>
        Named.Contains(key[(key.IndexOf(':', StringComparison.Ordinal) + 1)..], StringComparer.OrdinalIgnoreCase)
        && settings.Configuration[key] is null;

    private static string PartOf(string key)
    {
        var names = key.Split(':');
        if (names.Length == 1) return GrpcLlmOptions.Section;
        return names.Length > 2 && Named.Contains(names[1], StringComparer.OrdinalIgnoreCase)
            ? $"{names[1]}:{names[2]}"
            : names[1];
    }

    private static string Path(string part) =>
        part == GrpcLlmOptions.Section ? part : $"{GrpcLlmOptions.Section}:{part}";

    private static string Kind(bool was, bool isNow) => (was, isNow) switch
    {
        (true, false) => "removed",
        (false, true) => "added",
        _ => "changed",
    };
}
