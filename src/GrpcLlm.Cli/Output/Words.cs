using System.Text.Json;

namespace GrpcLlm.Cli.Output;

/// <summary>Names of enum values as the contract writes them; the number of a value that this program does not know.</summary>
internal static class Words
{
    /// <summary><c>stop_sequence</c></summary>
    public static string Of<T>(T value) where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    /// <summary><c>STOP_SEQUENCE</c></summary>
    public static string UpperOf<T>(T value) where T : struct, Enum =>
        JsonNamingPolicy.SnakeCaseUpper.ConvertName(value.ToString());
}
