using System.Text;
using System.Text.Json;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends;

/// <summary>
/// Keeps the rules of tool calls whatever the provider's habits: id and name on a call's first delta only, stable
/// indices from 0, fragments passed on as they come, and <c>done</c> only when they are one JSON object. Not thread-safe.
/// </summary>
internal sealed class ToolCallTracker
{
    private const string IdCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    private const int IdLength = 9;

    /// <summary>Most calls of one answer: far above any model's, and a bound for a provider that never ends.</summary>
    private const int MaxCalls = 4096;

    /// <summary>Most characters of all arguments of one answer, which are held until they are complete.</summary>
    private const int MaxArgumentChars = 16 << 20;

    private readonly List<Call> _calls = [];
    private int _argumentChars;

    /// <summary>Whether there was any call.</summary>
    public bool Any => _calls.Count > 0;

    /// <summary>Begins a call.</summary>
    /// <param name="key">The provider's own mark of it: an index, a block number, an id.</param>
    /// <param name="id">The provider's id; empty: one is made, nine alphanumerics, which every provider takes back.</param>
    /// <param name="name">Name of the tool, complete.</param>
    /// <param name="partIndex">Part of the answer it is.</param>
    /// <param name="fragment">First piece of the arguments, if any.</param>
    /// <exception cref="BackendException">Malformed: it has no name, or there are too many.</exception>
    public BackendEvent Begin(string key, string id, string name, uint partIndex, string fragment = "")
    {
        if (name.Length == 0) throw Malformed("The backend sent a tool call without a name.");
        if (_calls.Count == MaxCalls) throw Malformed("The backend sent too many tool calls.");
        var call = new Call(key, (uint)_calls.Count, partIndex);
        _calls.Add(call);
        Add(call, fragment);
        return BackendEvent.ToolCallPiece(
            new ToolCallDelta
            {
                Index = call.Index,
                Id = id.Length > 0 ? id : MakeId(),
                Name = name,
                ArgumentsFragment = fragment,
            },
            partIndex: partIndex);
    }

    /// <summary>Whether a call of that mark has begun and is not done.</summary>
    public bool IsOpen(string key) => Find(key) is not null;

    /// <summary>Part of the answer that an open call is.</summary>
    public uint PartOf(string key) => Find(key)!.PartIndex;

    /// <summary>Goes on with a call that has begun.</summary>
    /// <returns>The event; null for an empty fragment.</returns>
    /// <exception cref="BackendException">Malformed: the arguments are too long.</exception>
    public BackendEvent? Append(string key, string fragment)
    {
        if (fragment.Length == 0) return null;
        var call = Find(key)!;
        Add(call, fragment);
        return BackendEvent.ToolCallPiece(
            new ToolCallDelta { Index = call.Index, ArgumentsFragment = fragment }, partIndex: call.PartIndex);
    }

    /// <summary>Ends a call: its arguments must be one JSON object; none at all means <c>{}</c>.</summary>
    /// <exception cref="BackendException">Malformed: they are not.</exception>
    public BackendEvent End(string key)
    {
        var call = Find(key)!;
        call.IsDone = true;
        var arguments = call.Arguments.ToString();
        if (arguments.Length > 0 && !IsObject(arguments))
            throw Malformed("The arguments of a tool call are no JSON object.");

        // No token of its own: the mark comes with an event that held none, or at the end.
        return BackendEvent.ToolCallPiece(
            new ToolCallDelta { Index = call.Index, Done = true }, tokenCount: 0, partIndex: call.PartIndex);
    }

    /// <summary>Ends all calls that are still open. Not for an answer that was cut off.</summary>
    /// <exception cref="BackendException">Malformed: arguments that are no JSON object.</exception>
    public void EndAll(List<BackendEvent> output)
    {
        foreach (var call in _calls.Where(static call => !call.IsDone).ToList()) output.Add(End(call.Key));
    }

    private void Add(Call call, string fragment)
    {
        if (fragment.Length > MaxArgumentChars - _argumentChars) throw Malformed("The arguments of the tool calls are too long.");
        _argumentChars += fragment.Length;
        call.Arguments.Append(fragment);
    }

    private static BackendException Malformed(string message) => new(BackendFailure.Malformed, message);

    private Call? Find(string key) => _calls.FindLast(call => !call.IsDone && call.Key == key);

    private static bool IsObject(string json)
    {
        // A lone half of a surrogate pair in a string is no reason to refuse: bytes are checked as they are sent.
        var bytes = Encoding.UTF8.GetBytes(json);
        var reader = new Utf8JsonReader(bytes);
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return false;
            reader.Skip();
            return !reader.Read();
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static string MakeId() => string.Create(IdLength, 0, static (span, _) => Random.Shared.GetItems(IdCharacters, span));

    private sealed class Call(string key, uint index, uint partIndex)
    {
        public string Key { get; } = key;

        public uint Index { get; } = index;

        public uint PartIndex { get; } = partIndex;

        public StringBuilder Arguments { get; } = new();

        public bool IsDone { get; set; }
    }
}
