using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Google.Protobuf;
using Grpc.Core;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Bench.Profiles;

/// <summary>One call as a profile describes it.</summary>
/// <param name="Request">The request. Calls may share it: copy it before changing it.</param>
/// <param name="Headers">Headers, or null. Calls may share them: copy them before adding to them.</param>
internal readonly record struct RenderedCall(GenerateRequest Request, Metadata? Headers);

/// <summary>
/// The requests and headers of a run, call by call. What does not change from call to call is made once. Immutable and
/// thread-safe; the same seed and number give the same call, but for times.
/// </summary>
internal sealed class CallTemplates
{
    private static readonly JsonSerializerOptions PlainJson = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonParser Parser = JsonParser.Default;

    private readonly List<(CallTemplate? Template, GenerateRequest? Request)> _requests;
    private readonly List<(CallTemplate Name, CallTemplate Value)> _headers;
    private readonly Metadata? _constantHeaders;
    private readonly bool _isConstant;
    private readonly long _seed;
    private readonly TimeProvider _time;

    private CallTemplates(
        List<(CallTemplate? Template, GenerateRequest? Request)> requests, List<(CallTemplate Name, CallTemplate Value)> headers,
        long seed, TimeProvider time)
    {
        _requests = requests;
        _headers = headers;
        _seed = seed;
        _time = time;
        var trial = Values(0, "");
        foreach (var (template, _) in requests.Where(request => request.Request is null)) ParseJson(template!.Render(trial));
        var first = HeadersOf(trial);
        if (headers.TrueForAll(header => header.Name.IsConstant && header.Value.IsConstant)) _constantHeaders = first;
        _isConstant = requests.TrueForAll(request => request.Request is not null) && (headers.Count == 0 || _constantHeaders is not null);
    }

    /// <summary>Reads data and metadata of a profile and tries them once.</summary>
    /// <param name="profile">The profile.</param>
    /// <param name="seed">Seed of all that is drawn by chance.</param>
    /// <param name="time">The clock that the calls name.</param>
    /// <exception cref="UsageException">Data or metadata cannot be used; the message names file and key.</exception>
    public static CallTemplates Of(GhzProfile profile, long seed, TimeProvider time)
    {
        var key = profile switch
        {
            { Data: not null } => "data",
            { DataFile: not null } => "data-file",
            { BinaryFile: not null } => "binary-file",
            _ => throw Failure(profile, "data", "is missing, and without it there is nothing to send."),
        };
        var requests = Guarded(profile, key, () => RequestsOf(profile));
        var headers = Guarded(profile, profile.MetadataFile is null ? "metadata" : "metadata-file", () => HeadersOf(profile));

        // Headers are checked on their own, so that what fails in the end is the data.
        Guarded(profile, "metadata", () => new CallTemplates([], headers, seed, time));
        return Guarded(profile, key, () => new CallTemplates(requests, headers, seed, time));
    }

    /// <summary>The call of a number.</summary>
    /// <param name="requestNumber">From 0; an array of data is taken in turn by it.</param>
    /// <param name="workerId">Who makes it: letters and digits.</param>
    public RenderedCall Render(long requestNumber, string workerId)
    {
        var (template, request) = _requests[(int)(requestNumber % _requests.Count)];
        if (_isConstant) return new RenderedCall(request!, _constantHeaders);
        var values = Values(requestNumber, workerId);
        return new RenderedCall(request ?? ParseJson(template!.Render(values)), _constantHeaders ?? HeadersOf(values));
    }

    private CallValues Values(long requestNumber, string workerId) => new(requestNumber, workerId, _time.GetUtcNow(), _seed);

    private static List<(CallTemplate? Template, GenerateRequest? Request)> RequestsOf(GhzProfile profile)
    {
        if (profile.BinaryFile is { } binary) return [.. Messages(File.ReadAllBytes(binary)).Select(message => ((CallTemplate?)null, (GenerateRequest?)message))];
        List<string> texts = profile.Data is { } data
            ? TextsOf(data)
            : profile.DataFile is { } file && File.ReadAllText(file).Trim() is var text && text.StartsWith('[')
                ? TextsOf(JsonDocument.Parse(text).RootElement)
                : [File.ReadAllText(profile.DataFile!).Trim()];
        if (texts.Count == 0) throw new UsageException("the array is empty.");
        return [.. texts.Select(json => RequestOf(json, profile))];
    }

    private static (CallTemplate? Template, GenerateRequest? Request) RequestOf(string json, GhzProfile profile)
    {
        if (profile.DisableTemplateData) return (null, ParseJson(json));
        var template = CallTemplate.Parse(json, !profile.DisableTemplateFunctions);
        return template.IsConstant ? (null, ParseJson(json)) : (template, null);
    }

    /// <summary>The objects of an array, or the one there is, as ghz sends them through its templates: read and written again.</summary>
    private static List<string> TextsOf(JsonElement data) => data.ValueKind == JsonValueKind.Array
        ? [.. data.EnumerateArray().Select(item => JsonSerializer.Serialize(item, PlainJson))]
        : [JsonSerializer.Serialize(data, PlainJson)];

    /// <summary>Messages prefixed with their lengths; where the bytes are not that, one message.</summary>
    private static List<GenerateRequest> Messages(byte[] bytes)
    {
        var messages = new List<GenerateRequest>();
        try
        {
            using var stream = new MemoryStream(bytes);
            while (stream.Position < stream.Length) messages.Add(GenerateRequest.Parser.ParseDelimitedFrom(stream));
            if (messages.Count > 0) return messages;
        }
        catch (InvalidProtocolBufferException)
        {
            // It is not prefixed, then.
        }

        return [GenerateRequest.Parser.ParseFrom(bytes)];
    }

    private static List<(CallTemplate Name, CallTemplate Value)> HeadersOf(GhzProfile profile)
    {
        var texts = profile.MetadataFile is { } file
            ? JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(file)) ?? []
            : profile.Metadata;
        return [.. texts.Select(pair => (Header(pair.Key, profile), Header(pair.Value, profile)))];
    }

    private static CallTemplate Header(string text, GhzProfile profile) => profile.DisableTemplateData
        ? CallTemplate.Constant(text)
        : CallTemplate.Parse(text, !profile.DisableTemplateFunctions);

    private Metadata? HeadersOf(CallValues values)
    {
        if (_headers.Count == 0) return null;
        var headers = new Metadata();
        foreach (var (name, value) in _headers) headers.Add(HeaderOf(name.Render(values), value.Render(values)));
        return headers;
    }

    /// <summary>A header. The bytes of a <c>-bin</c> one are those of the text, as grpc-go takes them.</summary>
    private static Metadata.Entry HeaderOf(string name, string value)
    {
        if (name.StartsWith("grpc-", StringComparison.OrdinalIgnoreCase)) throw new UsageException($"'{name}' is a header of gRPC's own.");
        try
        {
            if (name.EndsWith("-bin", StringComparison.OrdinalIgnoreCase)) return new Metadata.Entry(name, Encoding.UTF8.GetBytes(value));

            // The value is not repeated: it may be a secret.
            if (value.AsSpan().ContainsAnyExceptInRange(' ', '~')) throw new UsageException($"the value of '{name}' is not printable ASCII; name it '{name}-bin'.");
            return new Metadata.Entry(name, value);
        }
        catch (ArgumentException)
        {
            throw new UsageException($"'{name}' is no name of a header.");
        }
    }

    private static GenerateRequest ParseJson(string json) => Parser.Parse<GenerateRequest>(json);

    private static T Guarded<T>(GhzProfile profile, string key, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (UsageException exception)
        {
            throw Failure(profile, key, exception.Message);
        }
        catch (Exception exception) when (exception is InvalidProtocolBufferException or JsonException)
        {
            throw Failure(profile, key, $"is no GenerateRequest: {exception.Message}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Failure(profile, key, $"cannot be read: {exception.Message}");
        }
    }

    private static UsageException Failure(GhzProfile profile, string key, string reason) =>
        new(profile.Path.Length > 0 ? $"'{profile.Path}': {key}: {reason}" : $"{key}: {reason}");
}
