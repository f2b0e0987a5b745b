using Google.Protobuf;

namespace GrpcLlm.Cli.Output;

/// <summary>Messages as one line of protobuf's JSON: 64-bit numbers are strings, bytes are base64.</summary>
internal static class JsonLine
{
    private static readonly JsonFormatter Formatter = new(JsonFormatter.Settings.Default);

    public static string Of(IMessage message) => Formatter.Format(message);
}
