using Google.Protobuf;
using GrpcLlm.Cli.Bench.Measurement;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Bench.Load;

/// <summary>
/// Requests in a file of JSON lines: each a <see cref="GenerateRequest"/> in protobuf's JSON form, of which
/// <c>{"prompt": "…"}</c> is the shortest. Empty lines are skipped; unknown members are mistakes.
/// </summary>
internal static class Dataset
{
    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="shuffleSeed">Seed of their order; null: as they stand.</param>
    /// <exception cref="UsageException">It cannot be read, a line is no request, or there is none.</exception>
    public static IReadOnlyList<GenerateRequest> Read(string path, long? shuffleSeed)
    {
        var requests = new List<GenerateRequest>();
        var number = 0;
        try
        {
            foreach (var line in File.ReadLines(path))
            {
                number++;
                if (!string.IsNullOrWhiteSpace(line)) requests.Add(JsonParser.Default.Parse<GenerateRequest>(line));
            }
        }
        catch (Exception exception) when (exception is InvalidProtocolBufferException or InvalidJsonException or InvalidOperationException)
        {
            throw new UsageException($"'{path}', line {number}, is no request: {exception.Message}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"'{path}' cannot be read: {exception.Message}");
        }

        if (requests.Count == 0) throw new UsageException($"'{path}' holds no request.");
        if (shuffleSeed is not { } seed) return requests;
        var shuffled = requests.ToArray();
        Seeds.RandomOf(seed).Shuffle(shuffled);
        return shuffled;
    }
}
