using System.ComponentModel.DataAnnotations;
using System.Text.RegularExpressions;

namespace GrpcLlm.Server.Hosting;

/// <summary>What is told of calls beyond numbers, <c>GrpcLlm:Telemetry</c>.</summary>
internal sealed class TelemetryOptions
{
    /// <summary>
    /// Write prompts and answers to the log, category <c>GrpcLlm.Content</c>, and to spans. Default: false. The server warns
    /// at the start, and with every reload, while it is on.
    /// </summary>
    public bool LogContent { get; set; }

    /// <summary>
    /// Most bytes of text that are written of one prompt, and of one answer; the rest is cut off and marked so. 1 KiB to
    /// 1 MiB. Default: 32 KiB.
    /// </summary>
    [Range(1024, 1 << 20)]
    public int MaxContentBytes { get; set; } = 32 * 1024;

    /// <summary>What is replaced in content before it is written, in this order. Default: nothing.</summary>
    public List<RedactionOptions> Redactions { get; set; } = [];

    /// <summary>Checks that every pattern can be used.</summary>
    public void Check(string path, List<string> errors)
    {
        for (var index = 0; index < Redactions.Count; index++)
        {
            try
            {
                Redactions[index].ToRegex();
            }
            catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
            {
                errors.Add($"{path}:{nameof(Redactions)}:{index}:{nameof(RedactionOptions.Pattern)}: {exception.Message}");
            }

            if (Redactions[index].Pattern.Length == 0)
                errors.Add($"{path}:{nameof(Redactions)}:{index}:{nameof(RedactionOptions.Pattern)}: is required");
        }
    }
}

/// <summary>Something that no log may hold.</summary>
internal sealed class RedactionOptions
{
    /// <summary>
    /// .NET regular expression, without look-around and back-references: it runs in linear time, whatever the text. Required.
    /// </summary>
    public string Pattern { get; set; } = "";

    /// <summary>What stands there instead; <c>$1</c> is the first group. Default: <c>[redacted]</c>.</summary>
    public string Replacement { get; set; } = "[redacted]";

    /// <summary>The pattern, ready to use.</summary>
    /// <exception cref="ArgumentException">It is no regular expression.</exception>
    /// <exception cref="NotSupportedException">It cannot run in linear time.</exception>
    public Regex ToRegex() => new(Pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
}
