using System.Text.Json;

namespace GrpcLlm.Cli.Bench.Results;

/// <summary>
/// The files that a run is written to; the ending says in which form. Checked before the load starts, so that no result is
/// lost to a wrong name.
/// </summary>
internal sealed class ResultFiles : IDisposable
{
    private const string CsvEnding = ".csv";

    /// <summary>
    /// What is written when the runs are over. First the longer endings. Streams are written while they end, see
    /// <see cref="Csv"/>.
    /// </summary>
    private static readonly (string Ending, Func<BenchFile, string, Task> Write)[] Forms =
    [
        (".json", WriteJsonAsync),
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
    /// <exception cref="UsageException">An ending is not known, or a file cannot be written.</exception>
    public static ResultFiles Open(IReadOnlyList<string> paths)
    {
        if (paths.Count(IsCsv) > 1) throw new UsageException("Streams are written to one file; name one .csv.");
        foreach (var path in paths)
        {
            if (!IsCsv(path) && FormOf(path) is null)
                throw new UsageException($"'{path}': the ending says the form; write {Endings}.");
            if (!Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(path))))
                throw new UsageException($"'{path}': there is no such folder.");
        }

        try
        {
            return new ResultFiles(paths);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"A result cannot be written: {exception.Message}");
        }
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

    private static bool IsCsv(string path) => path.EndsWith(CsvEnding, StringComparison.OrdinalIgnoreCase);

    private static Func<BenchFile, string, Task>? FormOf(string path) =>
        Forms.FirstOrDefault(form => path.EndsWith(form.Ending, StringComparison.OrdinalIgnoreCase)).Write;
}
