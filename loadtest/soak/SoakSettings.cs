using System.Text.Json;
using System.Text.Json.Nodes;
using GrpcLlm.Benchmarks;

namespace GrpcLlm.Soak;

/// <summary>
/// The settings of the server under test: a file of an environment of its own, beside the server, which is rewritten while it
/// runs. Three backends of one faulty upstream, the simulator and the embedded model.
/// </summary>
internal sealed class SoakSettings(Uri upstream) : IDisposable
{
    public const int MaxAttempts = 4;

    /// <summary>A write that stays pending for longer ends its stream.</summary>
    public static readonly TimeSpan ClientStallTimeout = TimeSpan.FromSeconds(3);

    private readonly string _file = Path.Combine(ServerProcess.BuiltFolder, $"appsettings.soak{Environment.ProcessId}.json");

    /// <summary>The environment that chooses the file.</summary>
    public static string EnvironmentName => $"soak{Environment.ProcessId}";

    /// <summary>Labels of the keys that the backends have.</summary>
    public static IReadOnlyDictionary<string, string> KeyLabels { get; } = new[] { "a", "b", "c" }
        .SelectMany(static name => new[] { 1, 2 }.Select(n => (Key: $"sk-{name}-{n}", Label: $"key{n}")))
        .ToDictionary(static one => one.Key, static one => one.Label, StringComparer.Ordinal);

    /// <summary>Writes settings that are valid, and differ from those of another version.</summary>
    public void Write(int version) => Replace(Valid(version).ToJsonString());

    /// <summary>Writes settings that cannot be served.</summary>
    public void WriteInvalid(int version)
    {
        var settings = Valid(version);
        settings["GrpcLlm"]!["Backends"]!["a"]!["IdleTimeout"] = "soon";
        Replace(settings.ToJsonString());
    }

    /// <summary>Writes the first half of a file, in place as an editor does.</summary>
    public void WriteHalf(int version)
    {
        var text = Valid(version).ToJsonString();
        File.WriteAllText(_file, text[..(text.Length / 2)]);
    }

    public void Dispose() => File.Delete(_file);

    private void Replace(string text)
    {
        File.WriteAllText(_file + ".new", text);
        File.Move(_file + ".new", _file, overwrite: true);
    }

    private JsonObject Valid(int version)
    {
        var backends = new JsonObject
        {
            ["simulator"] = new JsonObject
            {
                ["Kind"] = "simulator", ["AllowRequestOverrides"] = true, ["InterTokenLatency"] = "00:00:00", ["FirstTokenTimeout"] = "00:00:00.3",
                ["IdleTimeout"] = "00:00:00.3",
            },
            ["embedded"] = new JsonObject { ["Kind"] = "embedded" },
        };
        var routes = new JsonArray();
        foreach (var name in new[] { "a", "b", "c" })
        {
            backends[name] = new JsonObject
            {
                ["Kind"] = "openai", ["BaseUrl"] = $"{upstream}{name}/v1", ["ApiKeys"] = new JsonArray($"sk-{name}-1", $"sk-{name}-2"),
                ["FirstTokenTimeout"] = "00:00:00.25", ["IdleTimeout"] = $"00:00:00.{250 + (name == "a" ? version % 50 : 0)}",
            };
            routes.Add(new JsonObject { ["Backend"] = name, ["Weight"] = 1 + ((version + name[0]) % 3) });
        }

        return JsonNode.Parse(JsonSerializer.Serialize(new
        {
            GrpcLlm = new
            {
                DefaultModel = "m",
                Backends = backends,
                Models = new { m = new { Routes = routes }, simulator = Route("simulator"), embedded = Route("embedded") },
                Streaming = new { ClientStallTimeout },
                Shutdown = new { Grace = "00:00:02" },
                Resilience = new
                {
                    MaxAttempts, BaseDelay = "00:00:00.002", MaxDelay = "00:00:00.1", TotalTimeout = "00:00:05", HedgeAfter = "00:00:00.06",
                    BreakerMinimumThroughput = 20, BreakerFailureRatio = 0.9, BreakerSamplingDuration = "00:00:01", BreakerBreakDuration = "00:00:00.5",
                },
                Admission = new { MaxConcurrent = 20, MaxQueue = 6, QueueTimeout = "00:00:02" },
            },
        }))!.AsObject();

        static object Route(string backend) => new { Routes = new[] { new { Backend = backend } } };
    }
}
