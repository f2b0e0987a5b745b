using System.Globalization;
using System.Text;
using System.Text.Json;
using GrpcLlm.Server.Backends.Http;

namespace GrpcLlm.Server.Backends.OpenAi;

/// <summary>
/// Reads pieces of tool calls whatever the server's habit. Which call a piece belongs to:
/// <list type="bullet">
/// <item>its <c>index</c> says so, unless another id comes with a name: then it is another call, of a server that
/// numbers all of them 0;</item>
/// <item>without an index, its id says so; without an id, a name begins a call and anything else goes on with the
/// latest.</item>
/// </list>
/// A call begins for the caller with its name; pieces before it wait. <c>type</c> is not looked at: not all write
/// <c>function</c>. Not thread-safe.
/// </summary>
internal sealed class OpenAiToolCalls(PartCounter parts)
{
    /// <summary>Most calls that wait for their name; those that have one are bounded by the tracker.</summary>
    private const int MaxWaiting = 256;

    /// <summary>Most characters of all arguments that wait for the name of their call.</summary>
    private const int MaxWaitingChars = 1 << 20;

    private readonly ToolCallTracker _tracker = new();
    private readonly List<Call> _calls = [];
    private int _waiting;
    private int _waitingChars;

    /// <summary>Whether there was any call.</summary>
    public bool Any => _calls.Count > 0;

    /// <summary>Reads <c>tool_calls</c>: a list, or one call alone.</summary>
    public void Read(JsonElement calls, List<BackendEvent> output)
    {
        if (calls.ValueKind == JsonValueKind.Object) ReadItem(calls, output);
        if (calls.ValueKind != JsonValueKind.Array) return;
        foreach (var item in calls.EnumerateArray())
        {
            if (item.ValueKind == JsonValueKind.Object) ReadItem(item, output);
        }
    }

    /// <summary>Reads one piece.</summary>
    /// <param name="item">Holds the id.</param>
    /// <param name="function">Holds name and arguments.</param>
    /// <param name="place">The server's number of the call; empty if it gives none.</param>
    /// <param name="output">Where events go.</param>
    /// <exception cref="BackendException">Malformed: too much of calls that have no name.</exception>
    public void ReadOne(JsonElement item, JsonElement function, string place, List<BackendEvent> output)
    {
        var id = JsonText.Read(item, "id");
        var name = JsonText.Read(function, "name");
        var arguments = ArgumentsOf(function);
        var call = Find(place, id, name);
        if (call is null)
        {
            // A piece that says nothing begins nothing.
            if (id.Length == 0 && name.Length == 0 && arguments.Length == 0) return;
            if (_waiting == MaxWaiting) throw Nameless();
            _waiting++;
            call = new Call(place, _calls.Count.ToString(CultureInfo.InvariantCulture));
            _calls.Add(call);
        }

        if (call.Id.Length == 0) call.Id = id;
        if (call.HasBegun)
        {
            if (_tracker.Append(call.Key, arguments) is { } piece) output.Add(piece);
            return;
        }

        call.Waiting.Append(arguments);
        if (name.Length == 0)
        {
            _waitingChars += arguments.Length;
            if (_waitingChars > MaxWaitingChars) throw Nameless();
            return;
        }

        _waiting--;
        call.HasBegun = true;
        output.Add(_tracker.Begin(
            call.Key, call.Id, name, parts.Begin(BackendEventKind.ToolCall), call.Waiting.ToString()));
    }

    /// <summary>The answer is complete, and so are its calls.</summary>
    /// <exception cref="BackendException">Malformed: a call without a name, or arguments that are no JSON object.</exception>
    public void End(List<BackendEvent> output)
    {
        if (_waiting > 0) throw Nameless();
        _tracker.EndAll(output);
    }

    private static BackendException Nameless() => new(BackendFailure.Malformed, "The backend sent a tool call without a name.");

    private void ReadItem(JsonElement item, List<BackendEvent> output)
    {
        var function = JsonText.Child(item, "function") is { ValueKind: JsonValueKind.Object } inner ? inner : item;
        ReadOne(item, function, JsonText.Count(item, "index")?.ToString(CultureInfo.InvariantCulture) ?? "", output);
    }

    private Call? Find(string place, string id, string name)
    {
        if (place.Length > 0)
        {
            var there = _calls.FindLast(call => call.Place == place);
            return there is not null && id.Length > 0 && name.Length > 0 && there.Id.Length > 0 && there.Id != id ? null : there;
        }

        if (id.Length > 0) return _calls.FindLast(call => call.Id == id);
        return name.Length > 0 ? null : _calls.LastOrDefault();
    }

    /// <summary>A piece of text, or a whole object from servers that write one.</summary>
    private static string ArgumentsOf(JsonElement function)
    {
        if (function.ValueKind != JsonValueKind.Object || !function.TryGetProperty("arguments", out var arguments)) return "";
        return arguments.ValueKind == JsonValueKind.Object ? arguments.GetRawText() : JsonText.Read(arguments);
    }

    private sealed class Call(string place, string key)
    {
        public string Place { get; } = place;

        public string Key { get; } = key;

        public string Id { get; set; } = "";

        public StringBuilder Waiting { get; } = new();

        public bool HasBegun { get; set; }
    }
}
