using System.CommandLine;
using System.Text.Json;
using GrpcLlm.Cli.Bench.Load;
using GrpcLlm.Cli.Bench.Measurement;
using GrpcLlm.Cli.Bench.Profiles;
using GrpcLlm.V1;
using static GrpcLlm.Cli.Commands.CliOption;

namespace GrpcLlm.Cli.Commands;

/// <summary>The options of <c>grpcllm bench</c>. What a profile says stands unless an option says otherwise.</summary>
internal sealed class BenchOptions
{
    private const string DefaultPrompt = "Tell me a story about the sea.";
    private const uint DefaultMaxTokens = 64;
    private const int DefaultConcurrency = 10;
    private const long DefaultTotal = 100;
    private const double DefaultGoodput = 0.99;

    private readonly Option<string?> _config = Create<string?>("--config", "FILE", "ghz configuration file (JSON). Options below take the place of its keys.");
    private readonly Option<int?> _concurrency = CreateNumber("--concurrency", "N", "Closed loop: callers that wait for their answer. Default: 10.", 1, 100_000, "-c");
    private readonly Option<double?> _rps = CreateNumber("--rps", "RATE", "Open loop: calls a second, whatever became of those before.", 0.001, 100_000.0, "-r");
    private readonly Option<string?> _arrivals = Create<string?>("--arrivals", "KIND", "Open loop: constant (default) or poisson.");
    private readonly Option<long?> _total = CreateNumber("--total", "N", "Number of calls. Default: 100, if there is no duration.", 1, long.MaxValue, "-n");
    private readonly Option<TimeSpan?> _duration = CreateTime("--duration", "Time in which calls start; with --total, whichever is over first.", "-z");
    private readonly Option<string?> _durationStop = Create<string?>("--duration-stop", "HOW", "Calls in flight at the end: wait (default) for them, close them as failed, or ignore them.");
    private readonly Option<TimeSpan?> _warmup = CreateTime("--warmup", "Time at the beginning, part of the duration, whose calls count nowhere.");
    private readonly Option<int?> _connections = CreateNumber("--connections", "N", "HTTP/2 connections that calls take turns on. Default: 1.", 1, 10_000);
    private readonly Option<TimeSpan?> _timeout = CreateTime("--timeout", "Longest time of one call. Default: none.", "-t");
    private readonly Option<long?> _callCount = CreateNumber("--stream-call-count", "K", "Cancel each call after message K; E2E is the time to it.", 1, long.MaxValue);
    private readonly Option<int?> _maxOpen = CreateNumber("--max-open", "N", "Open loop: give up when so many streams are open at once. Default: 10000.", 1, 1_000_000);

    private readonly Option<string?> _prompt = Create<string?>("--prompt", "TEXT", "Prompt of every call. May hold template actions of ghz, {{.RequestNumber}} for one.");
    private readonly Option<string?> _data = Create<string?>("--data", "JSON", "GenerateRequest as JSON, or an array of them in turn; with template actions of ghz.", "-d");
    private readonly Option<string?> _dataset = Create<string?>("--dataset", "FILE", "JSON lines, in turn: {\"prompt\": \"…\"} or any GenerateRequest.");
    private readonly Option<bool> _shuffle = new("--shuffle") { Description = "Take the data set in an order drawn by --seed." };
    private readonly Option<string?> _model = Create<string?>("--model", "NAME", "Model of calls that name none. Default: the service's.", "-m");
    private readonly Option<uint?> _maxTokens = CreateNumber<uint>("--max-tokens", "N", "Most output tokens of calls that set no limit. Default with a prompt: 64.", 1, uint.MaxValue);

    private readonly Option<string[]> _slos = Create<string[]>("--slo", "METRIC=TIME", "Objective of each stream: ttft=200ms, tpot=50ms, e2e=5s. Repeatable.");
    private readonly Option<double?> _goodput = CreateNumber("--goodput", "SHARE", "Share of streams that must meet every objective, 0 to 1, or exit code 3. Default with --slo: 0.99.", 0.0, 1.0);
    private readonly Option<double?> _errorBudget = CreateNumber("--error-budget", "SHARE", "Largest share of failed streams, 0 to 1, or exit code 3. Default: not judged.", 0.0, 1.0);
    private readonly Option<long?> _seed = CreateNumber("--seed", "N", "Seed of arrivals, templates, order and samples. Default: 0.", long.MinValue, long.MaxValue);

    private readonly Option<string?> _name = Create<string?>("--name", "NAME", "Name of the run in the results.");
    private readonly Option<int?> _runs = CreateNumber("--runs", "N", "Runs one after another, all in one result file. Default: 1.", 1, 1000);
    private readonly Option<string[]> _outputs = Create<string[]>("--output", "FILE", "Result file, its form by its ending: {endings}. Repeatable.", "-o");
    private readonly Option<string?> _append = Create<string?>("--append", "FILE", "Add the run to a .json of the same load; made if it is not there.");

    public BenchOptions()
    {
        _arrivals.AcceptOnlyFromAmong("constant", "poisson");
        _durationStop.AcceptOnlyFromAmong("wait", "close", "ignore");
        _outputs.Description = _outputs.Description!.Replace("{endings}", Bench.Results.ResultFiles.Endings, StringComparison.Ordinal);
    }

    public void AddTo(Command command)
    {
        foreach (var option in new Option[]
        {
            _config, _concurrency, _rps, _arrivals, _total, _duration, _durationStop, _warmup, _connections, _timeout, _callCount,
            _maxOpen, _prompt, _data, _dataset, _shuffle, _model, _maxTokens, _slos, _goodput, _errorBudget, _seed, _name, _runs,
            _outputs, _append,
        })
        {
            command.Add(option);
        }
    }

    /// <summary>What a command line asks for.</summary>
    /// <exception cref="UsageException">It cannot be done.</exception>
    public BenchSetup Read(ParseResult parsed, TimeProvider time)
    {
        if (parsed.GetValue(_concurrency) is not null && parsed.GetValue(_rps) is not null)
            throw new UsageException("--concurrency waits for answers and --rps does not; give one of them.");

        var profile = ProfileOf(parsed);
        var plan = PlanOf(parsed, profile);
        var dataset = parsed.GetValue(_dataset) is { } file
            ? Dataset.Read(file, parsed.GetValue(_shuffle) ? plan.Seed : null)
            : null;
        var hasOwnData = dataset is not null || parsed.GetValue(_data) is not null
            || (parsed.GetValue(_config) is not null && parsed.GetValue(_prompt) is null);
        return new BenchSetup
        {
            Plan = plan,
            Profile = profile,
            Calls = new CallSource(CallTemplates.Of(profile, plan.Seed, time), dataset)
            {
                Model = parsed.GetValue(_model) ?? "",
                MaxTokens = parsed.GetValue(_maxTokens) ?? (hasOwnData ? null : DefaultMaxTokens),
            },
            Runs = parsed.GetValue(_runs) ?? 1,
            Outputs = parsed.GetValue(_outputs) ?? [],
            Append = parsed.GetValue(_append),
        };
    }

    /// <summary>The profile with what the command line puts in place of its keys; without a profile, this program's defaults.</summary>
    private GhzProfile ProfileOf(ParseResult parsed)
    {
        var profile = parsed.GetValue(_config) is { } file
            ? GhzProfileReader.Read(file)
            : new GhzProfile { Concurrency = DefaultConcurrency, Total = DefaultTotal, Timeout = TimeSpan.Zero };
        if (parsed.GetValue(_concurrency) is { } callers)
            profile = profile with { Concurrency = callers, ConcurrencySchedule = null, Rps = null, LoadSchedule = null, Async = false };

        // The rate itself is set below: the profile knows whole numbers only.
        if (parsed.GetValue(_rps) is not null)
            profile = profile with { Rps = 1, LoadSchedule = null, ConcurrencySchedule = null, Async = true };
        var (total, duration) = (parsed.GetValue(_total), parsed.GetValue(_duration));
        if (total is not null) profile = profile with { Total = total, Duration = null, MaxDuration = duration };
        else if (duration is not null) profile = profile with { Duration = duration, MaxDuration = null };
        if (parsed.GetValue(_connections) is { } connections) profile = profile with { Connections = connections };
        if (parsed.GetValue(_timeout) is { } timeout) profile = profile with { Timeout = timeout };
        if (parsed.GetValue(_callCount) is { } messages) profile = profile with { StreamCallCount = messages };
        if (parsed.GetValue(_name) is { } name) profile = profile with { Name = name };
        if (parsed.GetValue(_durationStop) is { } stop)
            profile = profile with { DurationStop = Enum.Parse<GhzDurationStop>(stop, ignoreCase: true) };
        return DataOf(parsed) is { } data ? profile with { Data = data, DataFile = null, BinaryFile = null } : profile;
    }

    private LoadPlan PlanOf(ParseResult parsed, GhzProfile profile)
    {
        var plan = LoadPlans.Of(profile);
        var slos = (parsed.GetValue(_slos) ?? []).Select(Slo.Parse).ToList();
        if (parsed.GetValue(_goodput) is not null && slos.Count == 0)
            throw new UsageException("--goodput is a share of streams that meet --slo; there is none.");
        if (parsed.GetValue(_arrivals) is not null && !plan.IsOpen)
            throw new UsageException("--arrivals is for an open loop; give --rps.");
        if (parsed.GetValue(_shuffle) && parsed.GetValue(_dataset) is null)
            throw new UsageException("--shuffle is for --dataset; there is none.");
        var warmup = parsed.GetValue(_warmup) ?? TimeSpan.Zero;
        if (warmup >= plan.Duration) throw new UsageException("The warm-up is part of the duration and must be shorter.");
        return plan with
        {
            Curve = parsed.GetValue(_rps) is { } rate ? LoadCurve.Constant(rate) : plan.Curve,
            IsPoisson = parsed.GetValue(_arrivals) is "poisson",
            Seed = parsed.GetValue(_seed) ?? 0,
            Warmup = warmup,
            MaxOpen = parsed.GetValue(_maxOpen) ?? LoadPlan.DefaultMaxOpen,
            Slos = slos,
            RequiredGoodput = slos.Count == 0 ? null : parsed.GetValue(_goodput) ?? DefaultGoodput,
            ErrorBudget = parsed.GetValue(_errorBudget),
        };
    }

    /// <summary>What calls send, if the command line says so or nothing else does.</summary>
    private JsonElement? DataOf(ParseResult parsed)
    {
        string?[] given = [parsed.GetValue(_prompt), parsed.GetValue(_data), parsed.GetValue(_dataset)];
        if (given.Count(text => text is not null) > 1) throw new UsageException("Give one of --prompt, --data and --dataset.");
        if (parsed.GetValue(_data) is { } data) return DataIn(data);

        // A data set takes the place of the data of each call, but not of the headers.
        if (parsed.GetValue(_prompt) is null && parsed.GetValue(_dataset) is null && parsed.GetValue(_config) is not null) return null;
        var request = new GenerateRequest { Prompt = parsed.GetValue(_prompt) ?? DefaultPrompt };
        return JsonDocument.Parse(Output.JsonLine.Of(request)).RootElement;
    }

    private static JsonElement DataIn(string text)
    {
        try
        {
            var data = JsonDocument.Parse(text).RootElement;
            var isData = data.ValueKind == JsonValueKind.Object
                || (data.ValueKind == JsonValueKind.Array && data.GetArrayLength() > 0 && data.EnumerateArray().All(one => one.ValueKind == JsonValueKind.Object));
            return isData ? data : throw new UsageException("--data must be a JSON object, or an array of objects.");
        }
        catch (JsonException exception)
        {
            throw new UsageException($"--data is no JSON: {exception.Message}");
        }
    }
}

/// <summary>What a command line asks to be measured, and where the results go.</summary>
internal sealed record BenchSetup
{
    /// <summary>The load.</summary>
    public required LoadPlan Plan { get; init; }

    /// <summary>The profile that it was made of.</summary>
    public required GhzProfile Profile { get; init; }

    /// <summary>What calls send.</summary>
    public required CallSource Calls { get; init; }

    /// <summary>Number of runs.</summary>
    public int Runs { get; init; } = 1;

    /// <summary>Files to write.</summary>
    public IReadOnlyList<string> Outputs { get; init; } = [];

    /// <summary>File to add the runs to.</summary>
    public string? Append { get; init; }
}
