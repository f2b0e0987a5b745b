using System.Globalization;
using System.Text;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>
/// What a provider answers with. As bytes: a line <c>#key=value …</c>, which may be missing, then the body.
/// <list type="bullet">
/// <item><c>type</c>: media type of the answer; <c>none</c> for none.</item>
/// <item><c>text</c>: base64 of the text that must come out, in UTF-8; only where it is known.</item>
/// <item><c>status</c>, <c>after</c>, <c>afterms</c>: HTTP status and what it says of coming back.</item>
/// </list>
/// </summary>
internal sealed class StreamInput
{
    private readonly Dictionary<string, string> _options = new(StringComparer.Ordinal);

    private StreamInput(byte[] input)
    {
        Body = input;
        var end = Array.IndexOf(input, (byte)'\n');
        if (end < 0 || input[0] != (byte)'#') return;
        Body = input.AsMemory(end + 1);
        foreach (var option in Encoding.UTF8.GetString(input, 1, end - 1).Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var at = option.IndexOf('=', StringComparison.Ordinal);
            if (at > 0) _options[option[..at]] = option[(at + 1)..];
        }
    }

    public ReadOnlyMemory<byte> Body { get; }

    public string? MediaType => _options.GetValueOrDefault("type") is { } type and not "none" ? type : null;

    public bool SaysType => _options.ContainsKey("type");

    public string? Text => _options.TryGetValue("text", out var text) ? Decode(text) : null;

    public int Status => int.TryParse(_options.GetValueOrDefault("status"), CultureInfo.InvariantCulture, out var status)
        && status is >= 100 and <= 999 ? status : 200;

    public string? RetryAfter => _options.GetValueOrDefault("after")?.Replace('_', ' ');

    public string? RetryAfterMilliseconds => _options.GetValueOrDefault("afterms");

    public static StreamInput Read(byte[] input) => new(input);

    /// <summary>The options as a line, an encoded text included.</summary>
    public static string Line(params IEnumerable<(string Key, string? Value)> options) =>
        "#" + string.Join(' ', options.Where(static one => one.Value is not null).Select(static one => $"{one.Key}={one.Value}")) + "\n";

    public static string Encode(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    private static string? Decode(string base64)
    {
        var bytes = new byte[base64.Length];
        return Convert.TryFromBase64String(base64, bytes, out var length) ? Encoding.UTF8.GetString(bytes, 0, length) : null;
    }
}
