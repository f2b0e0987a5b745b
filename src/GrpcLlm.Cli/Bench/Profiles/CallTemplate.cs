using System.Globalization;
using System.Text;

namespace GrpcLlm.Cli.Bench.Profiles;

/// <summary>
/// A text with template actions of ghz (https://ghz.sh/docs/calldata): values of the call (<c>{{.RequestNumber}}</c>) and
/// the functions <c>newUUID</c>, <c>randomString LENGTH</c> and <c>randomInt MIN MAX</c>. Go's template language is
/// larger; whatever else stands there is refused. Immutable and thread-safe.
/// </summary>
internal sealed class CallTemplate
{
    private const string Open = "{{";
    private const string Close = "}}";

    private readonly List<Func<CallValues, string>> _parts = [];

    private CallTemplate(string text) => Text = text;

    /// <summary>The text as written.</summary>
    public string Text { get; }

    /// <summary>Whether every call gets the same.</summary>
    public bool IsConstant { get; private set; } = true;

    /// <summary>A text that is sent as it stands, whatever is in it.</summary>
    public static CallTemplate Constant(string text) => new(text);

    /// <summary>Reads a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="withFunctions">Whether functions may stand in it.</param>
    /// <exception cref="UsageException">An action cannot be carried out; the message names it.</exception>
    public static CallTemplate Parse(string text, bool withFunctions)
    {
        var template = new CallTemplate(text);
        var at = 0;
        while (text.IndexOf(Open, at, StringComparison.Ordinal) is >= 0 and var open)
        {
            var close = text.IndexOf(Close, open, StringComparison.Ordinal);
            if (close < 0) throw new UsageException($"the template action '{Short(text[open..])}' does not end.");
            template.AddLiteral(text[at..open]);
            var action = text[open..(close + Close.Length)];
            template._parts.Add(ActionOf(text[(open + Open.Length)..close], action, withFunctions));
            template.IsConstant = false;
            at = close + Close.Length;
        }

        template.AddLiteral(text[at..]);
        return template;
    }

    /// <summary>The text of one call.</summary>
    public string Render(CallValues values)
    {
        if (IsConstant) return Text;
        var result = new StringBuilder(Text.Length + 32);
        foreach (var part in _parts) result.Append(part(values));
        return result.ToString();
    }

    private static Func<CallValues, string> ActionOf(string inner, string action, bool withFunctions)
    {
        var words = inner.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (words is [['.', ..] field]) return Field(field[1..]) ?? throw Unknown(action);
        if (words is not [var name, .. var arguments]) throw Unknown(action);
        var numbers = new int[arguments.Length];
        for (var i = 0; i < numbers.Length; i++)
        {
            if (!int.TryParse(arguments[i], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out numbers[i])) throw Unknown(action);
        }

        Func<CallValues, string>? function = (name, numbers) switch
        {
            ("newUUID", []) => values => values.NewUuid(),
            ("randomString", [var length]) => values => values.RandomString(length),
            ("randomInt", [var least, var bound]) when least < bound =>
                values => values.RandomInt(least, bound).ToString(CultureInfo.InvariantCulture),
            ("randomInt", [_, _]) => throw new UsageException($"the template action '{Short(action)}' has no number to choose: the second one is not reached."),
            _ => throw Unknown(action),
        };
        return withFunctions
            ? function
            : throw new UsageException($"the template action '{Short(action)}' is a function, and disable-template-functions is set.");
    }

    private static Func<CallValues, string>? Field(string name) => name switch
    {
        "WorkerID" => values => values.WorkerId,
        "RequestNumber" => values => values.RequestNumber.ToString(CultureInfo.InvariantCulture),
        "FullyQualifiedName" => _ => CallNames.Method.FullName,
        "MethodName" => _ => CallNames.Method.Name,
        "ServiceName" => _ => CallNames.Method.Service.Name,
        "InputName" => _ => CallNames.Method.InputType.Name,
        "OutputName" => _ => CallNames.Method.OutputType.Name,
        "IsClientStreaming" => _ => CallNames.Method.IsClientStreaming ? "true" : "false",
        "IsServerStreaming" => _ => CallNames.Method.IsServerStreaming ? "true" : "false",
        "Timestamp" => values => values.Now.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        "TimestampUnix" => values => values.Now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
        "TimestampUnixMilli" => values => values.Now.ToUnixTimeMilliseconds().ToString(CultureInfo.InvariantCulture),
        "TimestampUnixNano" => values => values.UnixNanoseconds.ToString(CultureInfo.InvariantCulture),
        "UUID" => values => values.Uuid,
        _ => null,
    };

    private void AddLiteral(string text)
    {
        if (text.Length > 0) _parts.Add(_ => text);
    }

    private static UsageException Unknown(string action) => new(
        $"the template action '{Short(action)}' is not known; known are the values of a call ({{{{.RequestNumber}}}}), newUUID, randomString LENGTH and randomInt MIN MAX.");

    private static string Short(string text) => text.Length <= 60 ? text : text[..60] + "…";
}
