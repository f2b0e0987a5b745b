using System.Text;
using Grpc.Core;
using GrpcLlm.V1;

namespace GrpcLlm.Client.Tests;

public sealed class GenerateTests
{
    /// <summary>Only a test that hangs ever meets it.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(30);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Generate_Success_YieldsEveryChunkAsSent()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.Streams(Chunks.Answer());

        var received = await ReadAsync(client, new GenerateRequest { Prompt = "hi" });

        received.ShouldBe(Chunks.Answer());
    }

    [Fact]
    public async Task Generate_RequestAndHeaders_ReachTheServer()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        GenerateRequest? seen = null;
        string? header = null;
        DateTime deadline = default;
        server.Service.OnGenerate = async (request, stream, context) =>
        {
            (seen, header, deadline) = (request, context.RequestHeaders.GetValue("authorization"), context.Deadline);
            foreach (var chunk in Chunks.Answer()) await stream.WriteAsync(chunk, context.CancellationToken);
        };
        var request = new GenerateRequest { RequestId = "mine", Prompt = "hi", Sampling = new SamplingOptions { Temperature = 0 } };

        await ReadAsync(client, request, new GenerateCallOptions
        {
            Headers = new Metadata { { "authorization", "Bearer x" } },
            Timeout = TimeSpan.FromHours(1),
        });

        seen.ShouldBe(request);
        header.ShouldBe("Bearer x");
        deadline.ShouldNotBe(DateTime.MaxValue);
    }

    [Fact]
    public async Task Generate_NoTimeout_HasNoDeadline()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        DateTime deadline = default;
        server.Service.OnGenerate = async (_, stream, context) =>
        {
            deadline = context.Deadline;
            await stream.WriteAsync(Chunks.End(1), context.CancellationToken);
        };

        await ReadAsync(client, new GenerateRequest { Prompt = "hi" });

        deadline.ShouldBe(DateTime.MaxValue);
    }

    [Theory]
    [InlineData("naïve café — ½")]
    [InlineData("日本語のテキスト")]
    [InlineData("👩‍👩‍👧‍👦 🇨🇭 ẞ")]
    [InlineData("\u0000\u200b\ufffd")]
    public async Task Generate_Unicode_ArrivesUnchanged(string text)
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.OnGenerate = async (request, stream, context) =>
        {
            await stream.WriteAsync(Chunks.First(request.Prompt), context.CancellationToken);
            await stream.WriteAsync(Chunks.End(2), context.CancellationToken);
        };

        var received = await ReadAsync(client, new GenerateRequest { Prompt = text });

        received[0].Text.ShouldBe(text);
    }

    [Fact]
    public async Task Generate_ManyAtOnce_AreIndependent()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.OnGenerate = async (request, stream, context) =>
        {
            await stream.WriteAsync(Chunks.First(request.Prompt), context.CancellationToken);
            await stream.WriteAsync(Chunks.End(2), context.CancellationToken);
        };

        var answers = await Task.WhenAll(Enumerable.Range(0, 200)
            .Select(i => ReadAsync(client, new GenerateRequest { Prompt = $"prompt {i}" })));

        answers.Select(answer => answer[0].Text).ShouldBe(Enumerable.Range(0, 200).Select(i => $"prompt {i}"));
    }

    [Fact]
    public async Task Generate_ReaderLeavesEarly_ServerSeesCancel()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.StreamsThenHangs(Chunks.First("Hello"));

        await foreach (var chunk in client.GenerateAsync(new GenerateRequest { Prompt = "hi" }, cancellationToken: Token))
        {
            chunk.Text.ShouldBe("Hello");
            break;
        }

        await server.Service.CancelSeen.WaitAsync(Hang, Token);
    }

    [Fact]
    public async Task Generate_TokenCancelledMidStream_ThrowsOperationCanceledAndServerSeesCancel()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.StreamsThenHangs(Chunks.First("Hello"));
        using var cancel = new CancellationTokenSource();
        var received = new StringBuilder();

        var exception = await Should.ThrowAsync<OperationCanceledException>(async () =>
        {
            await foreach (var chunk in client.GenerateAsync(new GenerateRequest { Prompt = "hi" }, cancellationToken: cancel.Token))
            {
                received.Append(chunk.Text);
                await cancel.CancelAsync();
            }
        });

        exception.CancellationToken.ShouldBe(cancel.Token);
        received.ToString().ShouldBe("Hello");
        await server.Service.CancelSeen.WaitAsync(Hang, Token);
    }

    [Fact]
    public async Task Generate_TokenCancelledBeforeFirstToken_ThrowsOperationCanceledAndServerSeesCancel()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Service.StreamsThenHangs();
        var hang = server.Service.OnGenerate!;
        server.Service.OnGenerate = (request, stream, context) =>
        {
            entered.SetResult();
            return hang(request, stream, context);
        };
        using var cancel = new CancellationTokenSource();

        var reading = ReadAsync(client, new GenerateRequest { Prompt = "hi" }, cancellationToken: cancel.Token);
        await entered.Task.WaitAsync(Hang, Token);
        await cancel.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(reading);
        await server.Service.CancelSeen.WaitAsync(Hang, Token);
    }

    [Fact]
    public async Task Generate_TokenOfWithCancellation_CancelsToo()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.StreamsThenHangs(Chunks.First("Hello"));
        using var cancel = new CancellationTokenSource();

        await Should.ThrowAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in client.GenerateAsync(new GenerateRequest(), cancellationToken: Token).WithCancellation(cancel.Token))
                await cancel.CancelAsync();
        });

        await server.Service.CancelSeen.WaitAsync(Hang, Token);
    }

    [Fact]
    public async Task Generate_ClientDisposedBetweenReads_ThrowsObjectDisposedAndServerSeesCancel()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.StreamsThenHangs(Chunks.First("Hello"));

        await Should.ThrowAsync<ObjectDisposedException>(async () =>
        {
            await foreach (var _ in client.GenerateAsync(new GenerateRequest(), cancellationToken: Token)) await client.DisposeAsync();
        });

        await server.Service.CancelSeen.WaitAsync(Hang, Token);
    }

    [Fact]
    public async Task Generate_ClientDisposedWhileReading_ThrowsObjectDisposedAndServerSeesCancel()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = server.CreateClient();
        server.Service.StreamsThenHangs(Chunks.First("Hello"));
        await using var stream = client.GenerateAsync(new GenerateRequest(), cancellationToken: Token).GetAsyncEnumerator(Token);
        (await stream.MoveNextAsync()).ShouldBeTrue();

        var pending = stream.MoveNextAsync().AsTask();
        await client.DisposeAsync();

        await Should.ThrowAsync<ObjectDisposedException>(pending);
        await server.Service.CancelSeen.WaitAsync(Hang, Token);
    }

    [Fact]
    public async Task Generate_ClientDisposed_ThrowsObjectDisposed()
    {
        await using var server = await TestServer.StartAsync();
        var client = server.CreateClient();
        await client.DisposeAsync();

        await Should.ThrowAsync<ObjectDisposedException>(ReadAsync(client, new GenerateRequest()));
    }

    internal static async Task<List<TokenChunk>> ReadAsync(
        GrpcLlmClient client, GenerateRequest request, GenerateCallOptions? options = null, CancellationToken? cancellationToken = null)
    {
        var chunks = new List<TokenChunk>();
        await foreach (var chunk in client.GenerateAsync(request, options, cancellationToken ?? Token)) chunks.Add(chunk);
        return chunks;
    }
}
