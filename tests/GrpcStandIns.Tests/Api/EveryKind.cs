namespace GrpcStandIns.Tests.Api;

/// <summary>Calls every method of the generated client once.</summary>
internal static class EveryKind
{
    public static readonly string[] Names = ["Unary", "Unary", "Expand", "Collect", "Chat"];

    public static void Call(Echo.EchoClient client, CallOptions options = default)
    {
        client.Unary(new Note(), options);
        client.UnaryAsync(new Note(), options).Dispose();
        client.Expand(new Note(), options).Dispose();
        client.Collect(options).Dispose();
        client.Chat(options).Dispose();
    }
}
