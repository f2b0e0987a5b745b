namespace GrpcLlm.Soak;

/// <summary>
/// Errors that a server logs on its console: a line with level and category, then lines of the message. Apart from those that
/// are expected here. Thread-safe.
/// </summary>
internal sealed class ErrorLog
{
    private const int MaxKept = 100;
    private const int MaxChars = 1500;

    // Settings that cannot be served, and the framework's own word for a client that left before its request was read.
    private static readonly string[] Expected = ["GrpcLlm.Server.Hosting.ConfigurationReload[", "The client reset the request stream."];

    private readonly Lock _gate = new();
    private readonly List<string> _kept = [];
    private string _open = "";

    /// <summary>Errors that are not expected, the first hundred.</summary>
    public IReadOnlyList<string> Unexpected
    {
        get
        {
            lock (_gate)
            {
                Close();
                return [.. _kept];
            }
        }
    }

    /// <summary>Notes a line.</summary>
    public void Note(string line)
    {
        lock (_gate)
        {
            if (line.StartsWith(' '))
            {
                if (_open.Length is > 0 and < MaxChars) _open += " " + line.Trim();
                return;
            }

            Close();
            if (line.StartsWith("fail:", StringComparison.Ordinal) || line.StartsWith("crit:", StringComparison.Ordinal)) _open = line;
        }
    }

    private void Close()
    {
        if (_open.Length > 0 && _kept.Count < MaxKept && !Array.Exists(Expected, one => _open.Contains(one, StringComparison.Ordinal))) _kept.Add(_open);
        _open = "";
    }
}
