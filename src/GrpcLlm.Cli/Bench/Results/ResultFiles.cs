using System.Text.Json;
using GrpcLlm.Cli.Bench.Ghz;
using GrpcLlm.Cli.Bench.Reports;

namespace GrpcLlm.Cli.Bench.Results;

/// <summary>
/// The files that a run is written to; the ending says in which form. Checked before the load starts, so that no result is
/// lost to a wrong name.
/// </summary>
internal sealed class ResultFiles : IDisposable
{
    private const string CsvEnding = ".csv";
    private const string GhzEnding = ".ghz.json";

    /// <summary>
    /// What is written when the runs are over. First the longer endings. Streams are written while they end, see
    /// <see cref="Csv"/>.
    /// </summary>
    private static readonly (string Ending, Func<BenchFile, string, Task> Write)[] Forms =
    [
        (GhzEnding, (file, path) => File.WriteAllTextAsync(path, GhzJsonWriter.Write(file.Runs[^1]))),
        (".json", WriteJsonAsync),
        (".html", WriteHtmlAsync),
    ];

    /// <summary>The endings that are known, in words.</summary>
    public static string Endings => $"{string.Join(", ", Forms.Select(form => form.Ending))} or {CsvEnding}";

    private readonly IReadOnlyList<string> _paths;
    private readonly StreamWriter? _csvFile;

    private ResultFiles(IReadOnlyList<string> paths)
    {
        _paths = paths;
        if (paths.SingleOrDefault(IsCsv) is not { } csv) return;
        _csvFile = new StreamWriter(csv);
        Csv = new StreamCsv(_csvFile);
    }

    /// <summary>The file with a line for every stream; null: none was asked for.</summary>
    public StreamCsv? Csv { get; }

    /// <summary>Opens what is written while a load runs.</summary>
    /// <param name="paths">The files.</param>
    /// <param name="runs">Number of runs that they will hold.</param>
    /// <exception cref="UsageException">An ending is not known, or a file cannot be written.</exception>
    public static ResultFiles Open(IReadOnlyList<string> paths, int runs = 1)
    {
        if (paths.Count(IsCsv) > 1) throw new UsageException("Streams are written to one file; name one .csv.");
        foreach (var path in paths) Check(path, runs);
        try
        {
            return new ResultFiles(paths);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"A result cannot be written: {exception.Message}");
        }
    }

    /// <summary>Writes what is there already in the form that a file's ending says.</summary>
    /// <exception cref="UsageException">The form is not known, or holds what a result file does not.</exception>
    public static Task ConvertAsync(BenchFile file, string path)
    {
        if (IsCsv(path)) throw new UsageException($"'{path}': streams are written while they run (grpcllm bench --output); a result file holds a sample of them.");
        Check(path, file.Runs.Count);
        return FormOf(path)!(file, path);
    }

    /// <summary>Writes everything that is left.</summary>
    public async Task WriteAsync(BenchFile file)
    {
        if (_csvFile is not null) await _csvFile.FlushAsync();
        foreach (var path in _paths.Where(path => !IsCsv(path))) await FormOf(path)!(file, path);
    }

    public void Dispose() => Csv?.Dispose();

    /// <summary>Writes a result file so that at no time a half-written one stands in its place.</summary>
    public static async Task WriteJsonAsync(BenchFile file, string path)
    {
        var draft = path + ".tmp";
        await using (var stream = File.Create(draft)) await JsonSerializer.SerializeAsync(stream, file, BenchJson.Default.BenchFile);
        File.Move(draft, path, overwrite: true);
    }

    private static async Task WriteHtmlAsync(BenchFile file, string path)
    {
        await using var writer = new StreamWriter(path);
        HtmlReport.Write(file, writer);
    }

    private static void Check(string path, int runs)
    {
        if (!IsCsv(path) && FormOf(path) is null) throw new UsageException($"'{path}': the ending says the form; write {Endings}.");
        if (runs > 1 && path.EndsWith(GhzEnding, StringComparison.OrdinalIgnoreCase))
            throw new UsageException($"'{path}': a report of ghz holds one run, and there are {runs}.");
        if (!Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(path)))) throw new UsageException($"'{path}': there is no such folder.");
    }

    private static bool IsCsv(string path) => path.EndsWith(CsvEnding, StringComparison.OrdinalIgnoreCase);

    private static Func<BenchFile, string, Task>? FormOf(string path) =>
        Forms.FirstOrDefault(form => path.EndsWith(form.Ending, StringComparison.OrdinalIgnoreCase)).Write;
}
