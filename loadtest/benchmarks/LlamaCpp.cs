using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// The yardstick of the embedded model: llama.cpp as npm's node-llama-cpp ships it, installed on first use below
/// <c>artifacts/</c>. Nothing is compiled or downloaded beyond the two packages.
/// </summary>
internal static class LlamaCpp
{
    private const string Version = "3.22.1";

    private static readonly JsonSerializerOptions CamelCase = new(JsonSerializerDefaults.Web);

    /// <summary>Installs it.</summary>
    /// <returns>Its folder; null, with a line that says so, where that does not work.</returns>
    public static async Task<string?> InstallAsync()
    {
        var platform = $"linux-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        if (!OperatingSystem.IsLinux()) return LeftOut("this is not Linux");
        try
        {
            return await NodeTools.InstallAsync(
                "llama-cpp", "llama-cpp/yardstick.mjs", $"node-llama-cpp@{Version}", $"@node-llama-cpp/{platform}@{Version}");
        }
        catch (Exception error) when (error is System.ComponentModel.Win32Exception or InvalidOperationException)
        {
            return LeftOut(error.Message);
        }
    }

    /// <summary>Measures streams and a long prompt, on one thread.</summary>
    public static async Task<List<(Rate Output, Rate Prompt)>> MeasureAsync(
        string folder, string model, int streams, int tokens, int rounds, int promptTokens)
    {
        var printed = await NodeTools.RunAsync(
            "node", folder, "", "yardstick.mjs", model, Text(streams), Text(tokens), Text(rounds), Text(promptTokens));
        return [.. printed.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(static line => JsonSerializer.Deserialize<Line>(line, CamelCase)!)
            .Select(static line => (line.Output, line.Prompt))];
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string? LeftOut(string reason)
    {
        Console.WriteLine($"  llama.cpp is left out: {reason.ReplaceLineEndings(" ")}");
        return null;
    }

    private sealed record Line(Rate Output, Rate Prompt);
}

/// <summary>How fast something went.</summary>
/// <param name="Value">Tokens a second.</param>
/// <param name="PerCpuSecond">Tokens for each second of processor time, which other processes do not disturb as much.</param>
internal record Rate([property: System.Text.Json.Serialization.JsonPropertyName("rate")] double Value, double PerCpuSecond);
