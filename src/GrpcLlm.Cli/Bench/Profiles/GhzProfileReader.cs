using System.Text.Json;

namespace GrpcLlm.Cli.Bench.Profiles;

/// <summary>
/// Reads configuration files of ghz, more strictly than ghz itself, which passes over keys that it does not know and
/// words that it cannot use.
/// </summary>
internal static class GhzProfileReader
{
    private static readonly string[] Formats =
        ["summary", "csv", "json", "pretty", "html", "influx-summary", "influx-details", "prometheus"];

    /// <summary>Reads a file.</summary>
    /// <exception cref="UsageException">It cannot be used; the message names the file and everything that is wrong.</exception>
    public static GhzProfile Read(string path)
    {
        if (System.IO.Path.GetExtension(path).ToLowerInvariant() is ".toml" or ".yaml" or ".yml")
            throw new UsageException($"'{path}': of ghz's configuration files this program reads JSON only; convert it.");

        try
        {
            using var document = JsonDocument.Parse(File.ReadAllText(path));
            return Read(document.RootElement, path);
        }
        catch (JsonException exception)
        {
            throw new UsageException($"'{path}' is no JSON: {exception.Message}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"'{path}' cannot be read: {exception.Message}");
        }
    }

    private static GhzProfile Read(JsonElement root, string path)
    {
        if (root.ValueKind != JsonValueKind.Object) throw new UsageException($"'{path}' is no configuration of ghz: an object is expected.");
        var fields = new ProfileFields(root);
        var profile = new GhzProfile
        {
            Path = path,
            Name = fields.Text("name"),
            Tags = fields.Map("tags"),
            Proto = fields.Text("proto"),
            ImportPaths = fields.Texts("import-paths"),
            Protoset = fields.Text("protoset"),
            Call = fields.Text("call"),
            Host = fields.Text("host"),
            Insecure = fields.Flag("insecure"),
            SkipTls = fields.Flag("skipTLS"),
            CaCert = fields.Text("cacert"),
            Cert = fields.Text("cert"),
            Key = fields.Text("key"),
            CName = fields.Text("cname"),
            Authority = fields.Text("authority"),
            Total = fields.Number("total", least: 1),
            Duration = fields.TimeAboveZero("duration"),
            DurationStop = Stop(fields.Choice("duration-stop", "close", "wait", "ignore")),
            MaxDuration = fields.TimeAboveZero("max-duration"),
            Concurrency = (int?)fields.Number("concurrency", least: 1),
            ConcurrencySchedule = Schedule(fields, "concurrency"),
            Connections = (int?)fields.Number("connections", least: 1),
            Rps = fields.Count("rps"),
            Async = fields.Flag("async"),
            LoadSchedule = Schedule(fields, "load"),
            SkipFirst = fields.Number("skipFirst", least: 0) ?? 0,
            Timeout = fields.Time("timeout"),
            ConnectTimeout = fields.TimeAboveZero("connect-timeout"),
            Keepalive = fields.TimeAboveZero("keepalive"),
            CountErrors = fields.Flag("count-errors"),
            StreamCallCount = fields.Count("stream-call-count"),
            StreamCallDuration = fields.TimeAboveZero("stream-call-duration"),
            StreamInterval = fields.TimeAboveZero("stream-interval"),
            StreamDynamicMessages = fields.Flag("stream-dynamic-messages"),
            Data = fields.Data("data"),
            DataFile = fields.Text("data-file"),
            BinaryFile = fields.Text("binary-file"),
            Metadata = fields.Map("metadata"),
            MetadataFile = fields.Text("metadata-file"),
            ReflectMetadata = fields.Map("reflect-metadata"),
            Output = fields.Text("output"),
            Format = fields.Choice("format", Formats),
            Debug = fields.Text("debug"),
            Cpus = fields.Count("cpus"),
            EnableCompression = fields.Flag("enable-compression"),
            LbStrategy = fields.Text("lb-strategy"),
            MaxReceiveMessageSize = fields.Size("max-recv-message-size"),
            MaxSendMessageSize = fields.Size("max-send-message-size"),
            DisableTemplateFunctions = fields.Flag("disable-template-functions"),
            DisableTemplateData = fields.Flag("disable-template-data"),
        };
        fields.RefuseUnknown();
        CheckTogether(profile, fields);
        return fields.Mistakes.Count == 0
            ? profile
            : throw new UsageException($"'{path}': {string.Join("; ", fields.Mistakes)}.");
    }

    private static GhzDurationStop? Stop(string? word) => word switch
    {
        "close" => GhzDurationStop.Close,
        "wait" => GhzDurationStop.Wait,
        "ignore" => GhzDurationStop.Ignore,
        _ => null,
    };

    /// <summary>Reads the keys <c>NAME-schedule</c>, <c>NAME-start</c> and so on. Null: constant.</summary>
    private static GhzSchedule? Schedule(ProfileFields fields, string name)
    {
        var kind = fields.Choice($"{name}-schedule", "const", "step", "line");
        var start = fields.Count($"{name}-start");
        var end = fields.Count($"{name}-end");
        var step = (int?)fields.Number($"{name}-step", least: -int.MaxValue) is not 0 and var given ? given : null;
        var every = fields.TimeAboveZero($"{name}-step-duration");
        var longest = fields.TimeAboveZero($"{name}-max-duration");
        if (kind is null or "const") return null;

        var before = fields.Mistakes.Count;
        if (start is null) fields.Mistake($"{name}-start", $"is needed with {name}-schedule {kind}");
        if (step is null) fields.Mistake($"{name}-step", $"is needed with {name}-schedule {kind}");
        if (kind == "step" && every is null) fields.Mistake($"{name}-step-duration", $"is needed with {name}-schedule step");
        if (start is { } from && end is { } to && step is { } change && Math.Sign(to - from) != Math.Sign(change))
            fields.Mistake($"{name}-step", $"{change} does not lead from {from} to {to}");
        if (step < 0 && end is null && longest is null)
            fields.Mistake($"{name}-end", $"is needed, or {name}-max-duration, where {name}-step is negative");
        return fields.Mistakes.Count > before
            ? null
            : new GhzSchedule(kind == "line", start!.Value, step!.Value, kind == "line" ? TimeSpan.FromSeconds(1) : every!.Value, end, longest);
    }

    /// <summary>What each key alone cannot tell.</summary>
    private static void CheckTogether(GhzProfile profile, ProfileFields fields)
    {
        if (profile.Call is { } call && !CallNames.IsGenerate(call))
            fields.Mistake("call", $"'{call}' is not measured; only {CallNames.Generate} is");
        if (profile.Cert is null != profile.Key is null)
            fields.Mistake(profile.Cert is null ? "cert" : "key", "cert and key go together");
        if (!fields.Mistakes.Exists(mistake => mistake.StartsWith("concurrency", StringComparison.Ordinal)))
        {
            var workers = profile.ConcurrencySchedule is { } schedule
                ? Math.Max(schedule.Start, schedule.End ?? schedule.Start)
                : profile.Concurrency ?? GhzProfile.DefaultConcurrency;
            if (profile.Duration is null && profile.ConcurrencySchedule is null && profile.Total is { } total && total < workers)
                fields.Mistake("total", $"{total} is less than the concurrency, {workers}; ghz refuses that");
            if (profile.Connections > workers)
                fields.Mistake("connections", $"{profile.Connections} is more than the concurrency, {workers}; ghz refuses that");
        }

        CheckOneOf(fields, "data", "data-file", "binary-file");
        CheckOneOf(fields, "metadata", "metadata-file");
    }

    private static void CheckOneOf(ProfileFields fields, params string[] keys)
    {
        var given = keys.Where(fields.Has).ToList();
        if (given.Count > 1) fields.Mistake(given[1], $"stands beside {given[0]}; give one of {string.Join(", ", keys)}");
    }
}
