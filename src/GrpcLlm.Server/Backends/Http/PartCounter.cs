namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// Numbers the parts of an answer where the provider does not: a new part begins when the kind of content changes.
/// Not thread-safe.
/// </summary>
internal sealed class PartCounter
{
    private BackendEventKind? _kind;
    private uint _next;

    /// <summary>Part of a delta of text, reasoning or refusal: the running one if it is of that kind, else a new one.</summary>
    public uint For(BackendEventKind kind)
    {
        if (_kind != kind) Begin(kind);
        return _next - 1;
    }

    /// <summary>Begins a part whatever the one before was: tool calls, signed blocks.</summary>
    public uint Begin(BackendEventKind kind)
    {
        _kind = kind;
        return _next++;
    }
}
