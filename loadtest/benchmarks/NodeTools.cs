using System.Diagnostics;

namespace GrpcLlm.Benchmarks;

/// <summary>Packages of npm that serve as yardsticks, each set in a folder of its own below <c>artifacts/</c>.</summary>
internal static class NodeTools
{
    /// <summary>Installs packages, unless they are there already, and copies a script beside them.</summary>
    /// <param name="name">Name of the folder below <c>artifacts/</c>.</param>
    /// <param name="script">The script, below the program's folder.</param>
    /// <param name="packages">Packages with their versions; the first stands for all.</param>
    /// <returns>The folder.</returns>
    /// <exception cref="InvalidOperationException">npm failed.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">There is no npm.</exception>
    public static async Task<string> InstallAsync(string name, string script, params string[] packages)
    {
        var folder = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../..", name));
        Directory.CreateDirectory(folder);
        var first = packages[0][..packages[0].LastIndexOf('@')];
        if (!Directory.Exists(Path.Combine(folder, "node_modules", first)))
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "package.json"), """{"private": true, "type": "module"}""");
            await RunAsync(
                "npm", folder, "", ["install", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", .. packages]);
        }

        File.Copy(Path.Combine(AppContext.BaseDirectory, script), Path.Combine(folder, Path.GetFileName(script)), overwrite: true);
        return folder;
    }

    /// <summary>Runs a program and gives what it prints.</summary>
    /// <exception cref="InvalidOperationException">It failed; the message holds what it wrote to standard error.</exception>
    public static async Task<string> RunAsync(string program, string folder, string input, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
        };
        start.Environment["NODE_LLAMA_CPP_SKIP_DOWNLOAD"] = "true";
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? await output
            : throw new InvalidOperationException($"{program} {arguments[0]} failed: {await errors}");
    }
}
