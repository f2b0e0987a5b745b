using System.Diagnostics;
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
        var scripts = Path.Combine(AppContext.BaseDirectory, "llama-cpp");
        var folder = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../llama-cpp"));
        var platform = $"linux-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        if (!OperatingSystem.IsLinux()) return LeftOut("this is not Linux");
        try
        {
            Directory.CreateDirectory(folder);
            if (!Directory.Exists(Path.Combine(folder, "node_modules", "node-llama-cpp")))
            {
                await File.WriteAllTextAsync(Path.Combine(folder, "package.json"), """{"private": true, "type": "module"}""");
                await RunAsync(
                    "npm", folder, "install", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund",
                    $"node-llama-cpp@{Version}", $"@node-llama-cpp/{platform}@{Version}");
            }

            File.Copy(Path.Combine(scripts, "yardstick.mjs"), Path.Combine(folder, "yardstick.mjs"), overwrite: true);
            return folder;
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
        var printed = await RunAsync(
            "node", folder, "yardstick.mjs", model, Text(streams), Text(tokens), Text(rounds), Text(promptTokens));
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

    private static async Task<string> RunAsync(string program, string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
        };
        start.Environment["NODE_LLAMA_CPP_SKIP_DOWNLOAD"] = "true";
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? await output
            : throw new InvalidOperationException($"{program} {arguments[0]} failed: {await errors}");
    }

    private sealed record Line(Rate Output, Rate Prompt);
}

/// <summary>How fast something went.</summary>
/// <param name="Value">Tokens a second.</param>
/// <param name="PerCpuSecond">Tokens for each second of processor time, which other processes do not disturb as much.</param>
internal record Rate([property: System.Text.Json.Serialization.JsonPropertyName("rate")] double Value, double PerCpuSecond);
