using System.Globalization;
using System.Text;

namespace GrpcLlm.Server.Backends.Gemini;

/// <summary>One step of a JSON path (RFC 9535, the normal forms and <c>.name</c>): a member or an element.</summary>
/// <param name="Name">Name of the member; null for an element.</param>
/// <param name="Index">Number of the element.</param>
internal readonly record struct PathStep(string? Name, int Index)
{
    /// <summary>Reads a path; empty if it is none.</summary>
    public static List<PathStep> Parse(string path)
    {
        var steps = new List<PathStep>();
        if (!path.StartsWith('$')) return steps;
        var at = 1;
        while (at < path.Length)
        {
            if (!TryStep(path, ref at, out var step)) return [];
            steps.Add(step);
        }

        return steps;
    }

    private static bool TryStep(string path, ref int at, out PathStep step)
    {
        step = default;
        if (path[at] == '.')
        {
            var end = path.AsSpan(at + 1).IndexOfAny('.', '[');
            end = end < 0 ? path.Length : at + 1 + end;
            step = new PathStep(path[(at + 1)..end], 0);
            at = end;
            return step.Name!.Length > 0;
        }

        if (path[at] != '[' || at + 1 >= path.Length) return false;
        if (path[at + 1] is '\'' or '"') return TryQuoted(path, ref at, out step);
        var close = path.IndexOf(']', at);
        if (close < 0 || !int.TryParse(path.AsSpan(at + 1, close - at - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var index))
            return false;
        step = new PathStep(null, index);
        at = close + 1;
        return true;
    }

    private static bool TryQuoted(string path, ref int at, out PathStep step)
    {
        var quote = path[at + 1];
        var name = new StringBuilder();
        for (at += 2; at < path.Length && path[at] != quote; at++)
        {
            if (path[at] == '\\' && at + 1 < path.Length) at++;
            name.Append(path[at]);
        }

        step = new PathStep(name.ToString(), 0);
        at += 2;
        return at <= path.Length && path[at - 1] == ']';
    }
}
