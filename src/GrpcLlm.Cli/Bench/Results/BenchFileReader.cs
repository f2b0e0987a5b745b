using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace GrpcLlm.Cli.Bench.Results;

/// <summary>Reads result files of this program, and refuses what it would misread.</summary>
internal static class BenchFileReader
{
    /// <summary>A member that a file leaves out keeps its default; generated code would set what is init-only to null.</summary>
    private static readonly JsonSerializerOptions Options = new(BenchJson.Default.Options)
    {
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
    };

    /// <summary>Reads a file with at least one run, the oldest first.</summary>
    /// <exception cref="UsageException">It cannot be read, or is no result file of this schema.</exception>
    public static async Task<BenchFile> ReadAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = File.OpenRead(path);
            var file = await JsonSerializer.DeserializeAsync<BenchFile>(stream, Options, cancellationToken);
            if (file is not { Schema: BenchFile.CurrentSchema })
                throw new UsageException($"'{path}' has the schema '{file?.Schema}'; this program reads {BenchFile.CurrentSchema}.");
            if (file.Runs is not { Count: > 0 }) throw new UsageException($"'{path}' holds no run.");
            return file with { Runs = [.. file.Runs.OrderBy(run => run.StartedAt)] };
        }
        catch (JsonException exception)
        {
            throw new UsageException($"'{path}' is no result file of grpcllm bench: {exception.Message}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"'{path}' cannot be read: {exception.Message}");
        }
    }
}
