using System.Text.Json;

namespace GrpcLlm.Cli.Bench.Ghz;

/// <summary>What a file turns out to be.</summary>
internal enum ReportFileKind
{
    /// <summary>A report of ghz in JSON.</summary>
    Ghz,

    /// <summary>Log lines of ghz's <c>--debug</c>.</summary>
    GhzDebug,

    /// <summary>A result file of <c>grpcllm bench</c>.</summary>
    Bench,
}

/// <summary>Tells files apart and reads the reports of ghz.</summary>
internal static class GhzReportReader
{
    /// <summary>Looks what a file is.</summary>
    /// <exception cref="UsageException">It is nothing that can be reported on, or cannot be read.</exception>
    public static async Task<ReportFileKind> KindOfAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            using var reader = new StreamReader(path);
            var first = await FirstLineAsync(reader, cancellationToken);
            if (DebugLine.IsOne(first)) return ReportFileKind.GhzDebug;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, exception);
        }

        using var document = await ParseAsync(path, cancellationToken);
        var root = document.RootElement;
        if (root.ValueKind == JsonValueKind.Object)
        {
            if (root.TryGetProperty("schema", out _)) return ReportFileKind.Bench;
            if (root.TryGetProperty("count", out _) && root.TryGetProperty("total", out _) && root.TryGetProperty("statusCodeDistribution", out _))
                return ReportFileKind.Ghz;
        }

        throw new UsageException(
            $"'{path}' is no report: a result file of grpcllm bench, a report of ghz (--format json or pretty) or its --debug lines are expected.");
    }

    /// <summary>Reads a report of ghz.</summary>
    /// <exception cref="UsageException">It cannot be read, or is none.</exception>
    public static async Task<GhzReport> ReadAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = File.OpenRead(path);
            var report = await JsonSerializer.DeserializeAsync<GhzReport>(stream, GhzJson.Options, cancellationToken);
            return report ?? throw new UsageException($"'{path}' is no report of ghz: it holds null.");
        }
        catch (JsonException exception)
        {
            throw new UsageException($"'{path}' is no report of ghz: {exception.Message}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, exception);
        }
    }

    private static async Task<JsonDocument> ParseAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = File.OpenRead(path);
            return await JsonDocument.ParseAsync(stream, cancellationToken: cancellationToken);
        }
        catch (JsonException exception)
        {
            throw new UsageException($"'{path}' is no JSON, or was cut off: {exception.Message}");
        }
    }

    private static async Task<string> FirstLineAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            if (!string.IsNullOrWhiteSpace(line)) return line;
        }

        return "";
    }

    private static UsageException Unreadable(string path, Exception exception) =>
        new($"'{path}' cannot be read: {exception.Message}");
}
