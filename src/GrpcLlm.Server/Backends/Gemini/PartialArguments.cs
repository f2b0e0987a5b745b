using System.Globalization;
using System.Text;
using System.Text.Json;
using GrpcLlm.Server.Backends.Http;

namespace GrpcLlm.Server.Backends.Gemini;

/// <summary>
/// Writes the arguments of a call as they come in pieces: each names a place in the object by a JSON path and brings a
/// value or the next piece of a string. Out come the fragments of one JSON object, which only go forward: a piece for a
/// place that was left is an error. Not thread-safe.
/// </summary>
internal sealed class PartialArguments
{
    private readonly List<Container> _open = [];
    private List<PathStep> _place = [];
    private bool _inString;

    /// <summary>The fragment that one piece makes.</summary>
    /// <exception cref="BackendException">Malformed: a place that cannot be, or was left.</exception>
    public string Add(JsonElement piece)
    {
        var path = PathStep.Parse(JsonText.Read(piece, "jsonPath"));
        if (path.Count == 0 || path[0].Name is null) throw Malformed();
        var json = new StringBuilder();
        var goesOn = _inString && path.SequenceEqual(_place);
        if (!goesOn)
        {
            CloseString(json);
            GoTo(path, json);
        }

        WriteValue(piece, goesOn, json);
        return json.ToString();
    }

    /// <summary>The fragment that ends the object; nothing if there were no pieces.</summary>
    public string Close()
    {
        var json = new StringBuilder();
        CloseString(json);
        CloseTo(0, json);
        return json.ToString();
    }

    private void WriteValue(JsonElement piece, bool goesOn, StringBuilder json)
    {
        if (piece.TryGetProperty("stringValue"u8, out var text))
        {
            if (!goesOn) json.Append('"');
            AppendEscaped(JsonText.Read(text), json);
            _inString = true;
            if (!WillContinue(piece)) CloseString(json);
            return;
        }

        // An empty last piece ends a string without adding to it.
        if (goesOn)
        {
            if (!WillContinue(piece)) CloseString(json);
            return;
        }

        if (piece.TryGetProperty("numberValue"u8, out var value) && value.ValueKind == JsonValueKind.Number)
            json.Append(value.GetRawText());
        else if (piece.TryGetProperty("boolValue"u8, out value) && value.ValueKind is JsonValueKind.True or JsonValueKind.False)
            json.Append(value.GetRawText());
        else
            json.Append("null");
    }

    /// <summary>Closes what is left, opens what is entered, up to the value at the path.</summary>
    private void GoTo(List<PathStep> path, StringBuilder json)
    {
        if (_open.Count == 0) Open(path[0], json);
        var depth = 0;
        while (depth < path.Count - 1 && depth + 1 < _open.Count && _open[depth].Last == path[depth]) depth++;
        CloseTo(depth + 1, json);
        Enter(path[depth], json);
        for (var next = depth + 1; next < path.Count; next++)
        {
            Open(path[next], json);
            Enter(path[next], json);
        }

        _place = path;
    }

    private void Open(PathStep inside, StringBuilder json)
    {
        _open.Add(new Container(IsArray: inside.Name is null));
        json.Append(inside.Name is null ? '[' : '{');
    }

    private void Enter(PathStep step, StringBuilder json)
    {
        var container = _open[^1];
        if (container.IsArray != step.Name is null || !container.Seen.Add(step)) throw Malformed();
        if (container.IsArray && step.Index != container.Seen.Count - 1) throw Malformed();
        if (container.Seen.Count > 1) json.Append(',');
        container.Last = step;
        if (step.Name is not { } name) return;
        json.Append('"');
        AppendEscaped(name, json);
        json.Append("\":");
    }

    private void CloseTo(int depth, StringBuilder json)
    {
        while (_open.Count > depth)
        {
            json.Append(_open[^1].IsArray ? ']' : '}');
            _open.RemoveAt(_open.Count - 1);
        }
    }

    private void CloseString(StringBuilder json)
    {
        if (_inString) json.Append('"');
        _inString = false;
    }

    // Half a surrogate pair stays: its other half may come with the next piece.
    private static void AppendEscaped(string text, StringBuilder json)
    {
        foreach (var one in text)
        {
            if (one is '"' or '\\') json.Append('\\').Append(one);
            else if (one < ' ') json.Append(CultureInfo.InvariantCulture, $"\\u{(int)one:x4}");
            else json.Append(one);
        }
    }

    private static bool WillContinue(JsonElement piece) =>
        piece.TryGetProperty("willContinue"u8, out var more) && more.ValueKind == JsonValueKind.True;

    private static BackendException Malformed() =>
        new(BackendFailure.Malformed, "The pieces of a tool call's arguments do not make one JSON object.");

    private sealed record Container(bool IsArray)
    {
        public HashSet<PathStep> Seen { get; } = [];

        public PathStep Last { get; set; }
    }
}
