using System.Text.RegularExpressions;
using GrpcLlm.Server.Hosting;

namespace GrpcLlm.Server.Telemetry;

/// <summary>How content is written where it is: what is replaced, how much of it. Immutable and thread-safe.</summary>
internal sealed class ContentPolicy
{
    private readonly (Regex Pattern, string Replacement)[] _redactions;

    private ContentPolicy(TelemetryOptions options)
    {
        MaxBytes = options.MaxContentBytes;
        _redactions = [.. options.Redactions.Select(static one => (one.ToRegex(), one.Replacement))];
    }

    /// <summary>Most bytes of text of one prompt, and of one answer.</summary>
    public int MaxBytes { get; }

    /// <summary>The policy of valid settings; null: content is not written.</summary>
    public static ContentPolicy? Of(TelemetryOptions options) => options.LogContent ? new ContentPolicy(options) : null;

    /// <summary>A whole text without what no log may hold.</summary>
    public string Redact(string text)
    {
        foreach (var (pattern, replacement) in _redactions) text = pattern.Replace(text, replacement);
        return text;
    }
}
