using System.Globalization;
using System.Text;
using System.Text.Json;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Gemini;

/// <summary>
/// Turns the parts of a candidate into ours. Neighbouring texts (or thoughts) are pieces of one part, with one border: the
/// API forbids to merge what is signed, so a part that came with text and a <c>thoughtSignature</c> is one of its own. A
/// signature in an empty part belongs to the part before it, or is a part of its own if there is none that lacks one.
/// <c>executableCode</c>, <c>codeExecutionResult</c>, <c>toolCall</c>, <c>inlineData</c> and whatever is newer are the
/// provider's own work: no text and no call for the caller, but signs of life. Not thread-safe.
/// </summary>
internal sealed class GeminiParts(OutputOptions? options)
{
    private readonly PartCounter _counter = new();
    private readonly ToolCallTracker _calls = new();
    private IReadOnlyList<TokenDetail>? _details;
    private PartialArguments? _partial;
    private string _openCall = "";
    private uint _callNumber;
    private BackendEventKind _lastKind = BackendEventKind.Alive;
    private uint _lastPart;
    private bool _lastIsSigned = true;

    /// <summary>Whether there was a call.</summary>
    public bool AnyCall => _calls.Any;

    /// <summary>Tokens counted so far, thoughts left out.</summary>
    public uint VisibleTokens { get; private set; }

    /// <summary>Takes what an event says of its tokens; the first text of the event carries it.</summary>
    public void BeginEvent(JsonElement candidate) => _details = GeminiLogprobs.Read(candidate, options);

    /// <summary>Reads one part.</summary>
    public void Read(JsonElement part, List<BackendEvent> output)
    {
        var signature = JsonText.Read(part, "thoughtSignature");
        if (JsonText.Child(part, "functionCall") is { ValueKind: JsonValueKind.Object } call)
        {
            ReadCall(call, output);
            if (signature.Length > 0) Sign(signature, output);
            return;
        }

        var text = JsonText.Read(part, "text");
        if (text.Length > 0) ReadText(part, text, isSigned: signature.Length > 0, output);
        if (signature.Length == 0 || (text.Length == 0 && IsForeign(part))) return;
        if (text.Length == 0 && _lastIsSigned) Begin(BackendEventKind.Reasoning);
        Sign(signature, output);
    }

    /// <summary>Ends calls that are still open: the answer is complete.</summary>
    /// <exception cref="BackendException">Malformed: their arguments are not.</exception>
    public void EndCalls(List<BackendEvent> output) => _calls.EndAll(output);

    private void ReadText(JsonElement part, string text, bool isSigned, List<BackendEvent> output)
    {
        var isThought = part.TryGetProperty("thought"u8, out var thought) && thought.ValueKind == JsonValueKind.True;
        var kind = isThought ? BackendEventKind.Reasoning : BackendEventKind.Text;
        if (_lastKind != kind || _lastIsSigned || isSigned) Begin(kind);
        var details = isThought ? null : _details;
        if (!isThought) _details = null;
        var count = (uint)(details?.Count ?? 1);
        if (!isThought) VisibleTokens += count;
        output.Add(isThought
            ? BackendEvent.ReasoningDelta(text, partIndex: _lastPart)
            : BackendEvent.TextDelta(text, count, details, _lastPart));
    }

    private void ReadCall(JsonElement call, List<BackendEvent> output)
    {
        var name = JsonText.Read(call, "name");
        var continues = call.TryGetProperty("willContinue"u8, out var more) && more.ValueKind == JsonValueKind.True;
        if (name.Length == 0 && _partial is null) return;
        var isNew = name.Length > 0;
        if (isNew)
        {
            EndOpenCall(output);
            _partial = new PartialArguments();
            _openCall = (_callNumber++).ToString("D", CultureInfo.InvariantCulture);
            Begin(BackendEventKind.ToolCall);
        }

        var fragment = FragmentOf(call);
        if (!continues) fragment += _partial!.Close();
        if (isNew) output.Add(_calls.Begin(_openCall, JsonText.Read(call, "id"), name, _lastPart, fragment));
        else if (_calls.Append(_openCall, fragment) is { } piece) output.Add(piece);
        if (isNew || fragment.Length > 0) VisibleTokens++;
        if (!continues) EndOpenCall(output);
    }

    /// <summary>Arguments that came whole as they stand, or the next pieces of those that do not.</summary>
    private string FragmentOf(JsonElement call)
    {
        if (JsonText.Child(call, "args") is { } whole) return whole.GetRawText();
        if (JsonText.Child(call, "partialArgs") is not { ValueKind: JsonValueKind.Array } pieces) return "";
        var fragment = new StringBuilder();
        foreach (var piece in pieces.EnumerateArray()) fragment.Append(_partial!.Add(piece));
        return fragment.ToString();
    }

    private void EndOpenCall(List<BackendEvent> output)
    {
        if (_partial is null) return;
        _partial = null;
        output.Add(_calls.End(_openCall));
    }

    private void Begin(BackendEventKind kind)
    {
        _lastKind = kind;
        _lastPart = _counter.Begin(kind);
        _lastIsSigned = false;
    }

    private void Sign(string signature, List<BackendEvent> output)
    {
        if (_lastIsSigned) return;
        _lastIsSigned = true;
        output.Add(BackendEvent.PartSignature(SignatureEnvelope.Wrap(GeminiProvider.BackendKind, signature), _lastPart));
    }

    /// <summary>Whether a part holds something that the contract has no delta for; its signature has no part to go with.</summary>
    private static bool IsForeign(JsonElement part) => part.ValueKind == JsonValueKind.Object
        && part.EnumerateObject().Any(static one => one.Name is not ("text" or "thought" or "thoughtSignature"));
}
