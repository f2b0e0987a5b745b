using Google.Protobuf;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests.Testing;

/// <summary>One call of Generate on a connection of its own, as bytes, read to its end.</summary>
internal static class RawCall
{
    /// <summary>A request that is served.</summary>
    public static readonly byte[] Prompt = new GenerateRequest { Prompt = "p" }.ToByteArray();

    /// <summary>Calls with <see cref="Prompt"/>.</summary>
    public static Task<RawAnswer> OfAsync(LlmServer server, params (string, string?)[] headers) =>
        OfAsync(server, RawHttp2Connection.Message(Prompt), headers);

    /// <summary>Calls with any body.</summary>
    public static async Task<RawAnswer> OfAsync(LlmServer server, byte[] body, params (string, string?)[] headers)
    {
        await using var connection = await RawHttp2Connection.ConnectAsync(server.Address);
        var stream = await connection.OpenAsync(RawHttp2Connection.Fields(Paths.Generate, headers), isWhole: body.Length == 0);
        if (body.Length > 0) await stream.SendAsync(body, isLast: true);
        return await stream.Ended.WaitAsync(TestContext.Current.CancellationToken);
    }
}
