namespace GrpcStandIns.Tests.EndToEnd;

/// <summary>The service on the generated base class; each test writes the handlers it needs.</summary>
internal sealed class ScriptedEcho : Echo.EchoBase
{
    public UnaryServerMethod<Note, Note>? OnUnary { get; init; }

    public ClientStreamingServerMethod<Note, Note>? OnCollect { get; init; }

    public ServerStreamingServerMethod<Note, Note>? OnExpand { get; init; }

    public DuplexStreamingServerMethod<Note, Note>? OnChat { get; init; }

    public override Task<Note> Unary(Note request, ServerCallContext context) =>
        OnUnary is null ? base.Unary(request, context) : OnUnary(request, context);

    public override Task<Note> Collect(IAsyncStreamReader<Note> requestStream, ServerCallContext context) =>
        OnCollect is null ? base.Collect(requestStream, context) : OnCollect(requestStream, context);

    public override Task Expand(Note request, IServerStreamWriter<Note> responseStream, ServerCallContext context) =>
        OnExpand is null ? base.Expand(request, responseStream, context) : OnExpand(request, responseStream, context);

    public override Task Chat(
        IAsyncStreamReader<Note> requestStream,
        IServerStreamWriter<Note> responseStream,
        ServerCallContext context) =>
        OnChat is null
            ? base.Chat(requestStream, responseStream, context)
            : OnChat(requestStream, responseStream, context);
}
