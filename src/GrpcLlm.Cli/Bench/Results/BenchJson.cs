using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace GrpcLlm.Cli.Bench.Results;

/// <summary>
/// The one form of a <see cref="BenchFile"/> in JSON: camel case, enums as words in camel case, nulls left out, unknown
/// members skipped. Indented, so that two files can be compared by eye; <see cref="Compact"/> writes the same on one line.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    WriteIndented = true,
    RespectNullableAnnotations = true,
    Converters = [typeof(RunEndConverter)])]
[JsonSerializable(typeof(BenchFile))]
internal sealed partial class BenchJson : JsonSerializerContext
{
    /// <summary>A file on one line, as UTF-8.</summary>
    public static ReadOnlySpan<byte> Compact(BenchFile file)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer)) JsonSerializer.Serialize(writer, file, Default.BenchFile);
        return buffer.WrittenSpan;
    }

    private sealed class RunEndConverter() : JsonStringEnumConverter<RunEnd>(JsonNamingPolicy.CamelCase, allowIntegerValues: false);
}
