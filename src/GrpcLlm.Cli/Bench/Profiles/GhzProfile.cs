using System.Text.Json;

namespace GrpcLlm.Cli.Bench.Profiles;

/// <summary>
/// A configuration file of ghz (0.121, https://ghz.sh/docs/options), as it stands there: null is a key that is not
/// given. Paths are as written, relative to the current directory, as ghz takes them. Immutable.
/// </summary>
/// <remarks>What a run makes of each key is not decided here.</remarks>
internal sealed record GhzProfile
{
    /// <summary>ghz's <see cref="Total"/> where a profile says nothing.</summary>
    public const long DefaultTotal = 200;

    /// <summary>ghz's <see cref="Concurrency"/> where a profile says nothing.</summary>
    public const int DefaultConcurrency = 50;

    /// <summary>ghz's <see cref="Timeout"/> where a profile says nothing.</summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(20);

    /// <summary>ghz's <see cref="ConnectTimeout"/> where a profile says nothing.</summary>
    public static readonly TimeSpan DefaultConnectTimeout = TimeSpan.FromSeconds(10);

    /// <summary>File that it was read from, for errors; empty: made from a command line.</summary>
    public string Path { get; init; } = "";

    /// <summary><c>name</c>: name of the test.</summary>
    public string? Name { get; init; }

    /// <summary><c>tags</c>: free labels of the report.</summary>
    public IReadOnlyDictionary<string, string> Tags { get; init; } = NoTexts;

    /// <summary><c>proto</c>: the .proto file; wins over <see cref="Protoset"/>.</summary>
    public string? Proto { get; init; }

    /// <summary><c>import-paths</c>: folders in which the proto's imports are looked for.</summary>
    public IReadOnlyList<string> ImportPaths { get; init; } = [];

    /// <summary><c>protoset</c>: compiled descriptors. With neither this nor <see cref="Proto"/>, ghz asks reflection.</summary>
    public string? Protoset { get; init; }

    /// <summary><c>call</c>: the method; only <see cref="CallNames.Generate"/> passes the reader.</summary>
    public string? Call { get; init; }

    /// <summary><c>host</c>: <c>host:port</c>.</summary>
    public string? Host { get; init; }

    /// <summary><c>insecure</c>: HTTP/2 without TLS.</summary>
    public bool Insecure { get; init; }

    /// <summary><c>skipTLS</c>: the server's certificate is not checked.</summary>
    public bool SkipTls { get; init; }

    /// <summary><c>cacert</c>: file of the roots that are trusted.</summary>
    public string? CaCert { get; init; }

    /// <summary><c>cert</c>: file of the client's certificate; given with <see cref="Key"/> only.</summary>
    public string? Cert { get; init; }

    /// <summary><c>key</c>: file of the client's key; given with <see cref="Cert"/> only.</summary>
    public string? Key { get; init; }

    /// <summary><c>cname</c>: name to expect in the server's certificate.</summary>
    public string? CName { get; init; }

    /// <summary><c>authority</c>: the pseudo-header.</summary>
    public string? Authority { get; init; }

    /// <summary><c>total</c>: number of calls, 1 or more; ignored by ghz where <see cref="Duration"/> is given.</summary>
    public long? Total { get; init; }

    /// <summary><c>duration</c>: time in which calls start. Null: not bounded by time.</summary>
    public TimeSpan? Duration { get; init; }

    /// <summary><c>duration-stop</c>: what becomes of the calls in flight at the end of <see cref="Duration"/>.</summary>
    public GhzDurationStop? DurationStop { get; init; }

    /// <summary><c>max-duration</c>: time after which calls stop even though <see cref="Total"/> is not reached.</summary>
    public TimeSpan? MaxDuration { get; init; }

    /// <summary><c>concurrency</c>: workers, 1 or more.</summary>
    public int? Concurrency { get; init; }

    /// <summary><c>concurrency-…</c>: workers that change in number over time. Null: constant.</summary>
    public GhzSchedule? ConcurrencySchedule { get; init; }

    /// <summary><c>connections</c>: HTTP/2 connections, 1 to the number of workers.</summary>
    public int? Connections { get; init; }

    /// <summary><c>rps</c>: calls a second, 1 or more. Null: not limited (0 in the file).</summary>
    public int? Rps { get; init; }

    /// <summary><c>async</c>: a call does not wait for the one before.</summary>
    public bool Async { get; init; }

    /// <summary><c>load-…</c>: calls a second that change over time. Null: constant.</summary>
    public GhzSchedule? LoadSchedule { get; init; }

    /// <summary><c>skipFirst</c>: results at the beginning that do not count.</summary>
    public long SkipFirst { get; init; }

    /// <summary><c>timeout</c>: deadline of each call; zero: none.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary><c>connect-timeout</c>.</summary>
    public TimeSpan? ConnectTimeout { get; init; }

    /// <summary><c>keepalive</c>: time between pings. Null: none (0 in the file).</summary>
    public TimeSpan? Keepalive { get; init; }

    /// <summary><c>count-errors</c>: failed calls count in ghz's latencies.</summary>
    public bool CountErrors { get; init; }

    /// <summary><c>stream-call-count</c>: messages after which a call is cancelled, 1 or more. Null: never (0 in the file).</summary>
    public long? StreamCallCount { get; init; }

    /// <summary><c>stream-call-duration</c>: time after which a call is cancelled. Null: never (0 in the file).</summary>
    public TimeSpan? StreamCallDuration { get; init; }

    /// <summary><c>stream-interval</c>: for streams that the client sends.</summary>
    public TimeSpan? StreamInterval { get; init; }

    /// <summary><c>stream-dynamic-messages</c>: for streams that the client sends.</summary>
    public bool StreamDynamicMessages { get; init; }

    /// <summary><c>data</c>: an object, or an array of objects that calls take in turn. Null: see <see cref="DataFile"/>.</summary>
    public JsonElement? Data { get; init; }

    /// <summary><c>data-file</c>: file with the same, in which an object is templated before it is read as JSON.</summary>
    public string? DataFile { get; init; }

    /// <summary><c>binary-file</c>: file with a serialized message, or with several, each prefixed with its length.</summary>
    public string? BinaryFile { get; init; }

    /// <summary><c>metadata</c>: headers of each call.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = NoTexts;

    /// <summary><c>metadata-file</c>: file with the same.</summary>
    public string? MetadataFile { get; init; }

    /// <summary><c>reflect-metadata</c>: headers of the reflection call.</summary>
    public IReadOnlyDictionary<string, string> ReflectMetadata { get; init; } = NoTexts;

    /// <summary><c>output</c>: file of the report.</summary>
    public string? Output { get; init; }

    /// <summary><c>format</c>: one of ghz's output formats.</summary>
    public string? Format { get; init; }

    /// <summary><c>debug</c>: file of the log lines.</summary>
    public string? Debug { get; init; }

    /// <summary><c>cpus</c>.</summary>
    public int? Cpus { get; init; }

    /// <summary><c>enable-compression</c>: requests are gzipped.</summary>
    public bool EnableCompression { get; init; }

    /// <summary><c>lb-strategy</c>: grpc-go's name of a client-side balancer.</summary>
    public string? LbStrategy { get; init; }

    /// <summary><c>max-recv-message-size</c> in bytes. Null: grpc-go's 4 MiB.</summary>
    public long? MaxReceiveMessageSize { get; init; }

    /// <summary><c>max-send-message-size</c> in bytes. Null: no limit.</summary>
    public long? MaxSendMessageSize { get; init; }

    /// <summary><c>disable-template-functions</c>: templates may name values only.</summary>
    public bool DisableTemplateFunctions { get; init; }

    /// <summary><c>disable-template-data</c>: data and metadata are sent as they stand.</summary>
    public bool DisableTemplateData { get; init; }

    private static IReadOnlyDictionary<string, string> NoTexts { get; } = new Dictionary<string, string>(StringComparer.Ordinal);
}

/// <summary>What becomes of calls in flight when the time of a run is over.</summary>
internal enum GhzDurationStop
{
    /// <summary>Connections are closed; the calls count as failed. ghz's default.</summary>
    Close,

    /// <summary>They are waited for.</summary>
    Wait,

    /// <summary>Connections are closed; the calls do not count.</summary>
    Ignore,
}

/// <summary>
/// A value that changes over time: from <paramref name="Start"/> by <paramref name="Step"/> every
/// <paramref name="StepDuration"/> (a line is steps of a second), until <paramref name="End"/> is reached or
/// <paramref name="MaxDuration"/> has passed, whichever is first; then it stays.
/// </summary>
/// <param name="IsLine"><c>line</c>, else <c>step</c>.</param>
/// <param name="Start">First value, 1 or more.</param>
/// <param name="Step">Change, negative to go down; not 0.</param>
/// <param name="StepDuration">Time between changes, above 0.</param>
/// <param name="End">Last value. Null: not bounded by value (0 in the file).</param>
/// <param name="MaxDuration">Time in which it changes. Null: not bounded by time (0 in the file).</param>
internal sealed record GhzSchedule(bool IsLine, int Start, int Step, TimeSpan StepDuration, int? End, TimeSpan? MaxDuration);
