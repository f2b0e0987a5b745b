using System.Text;
using Grpc.Core;
using Grpc.Net.Client;
using GrpcLlm.V1;

namespace GrpcLlm.Benchmarks;

/// <summary>What one call brought.</summary>
internal readonly record struct CallResult(TimeSpan FirstToken, int Tokens, int Messages);

/// <summary>Something that streams tokens: reads one answer, tells when its first token came and how many there were.</summary>
internal interface ICaller : IDisposable
{
    string Name { get; }

    /// <summary>Makes one call.</summary>
    /// <param name="tokens">Tokens to ask for.</param>
    /// <returns>Time to the first token, and tokens and messages received.</returns>
    Task<CallResult> CallAsync(int tokens);
}

/// <summary>Reads server-sent events as an ordinary client of a provider does: line by line, text taken out.</summary>
internal sealed class SseCaller(string name, Uri address) : ICaller
{
    private readonly HttpClient _http = new(new SocketsHttpHandler()) { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };

    public string Name => name;

    public async Task<CallResult> CallAsync(int tokens)
    {
        var start = TimeProvider.System.GetTimestamp();
        using var request = new HttpRequestMessage(HttpMethod.Post, "chat/completions")
        {
            Content = new StringContent(
                $$"""{"model":"bench","stream":true,"max_tokens":{{tokens}},"messages":[{"role":"user","content":"p"}]}""",
                Encoding.UTF8, "application/json"),
        };
        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        await using var body = await response.Content.ReadAsStreamAsync();
        var first = TimeSpan.Zero;
        var count = 0;
        await foreach (var item in System.Net.ServerSentEvents.SseParser.Create(body, static (_, data) => BareServer.TextOf(data)).EnumerateAsync())
        {
            if (item.Data.Length == 0) continue;
            if (count++ == 0) first = TimeProvider.System.GetElapsedTime(start);
        }

        return new CallResult(first, count, count);
    }

    public void Dispose() => _http.Dispose();
}

/// <summary>Reads the service's stream through a generated stub.</summary>
internal sealed class GrpcCaller(string name, Uri address, string model, Metadata? headers = null) : ICaller
{
    private readonly GrpcChannel _channel = GrpcChannel.ForAddress(address);
    private GenerationService.GenerationServiceClient? _client;

    public string Name => name;

    public GenerationService.GenerationServiceClient Client => _client ??= new GenerationService.GenerationServiceClient(_channel);

    public async Task<CallResult> CallAsync(int tokens)
    {
        var start = TimeProvider.System.GetTimestamp();
        using var call = Client.Generate(
            new GenerateRequest { Model = model, Prompt = "p", Limits = new GenerationLimits { MaxOutputTokens = (uint)tokens } }, headers);
        var first = TimeSpan.Zero;
        uint count = 0;
        var messages = 0;
        while (await call.ResponseStream.MoveNext(CancellationToken.None))
        {
            if (count == 0) first = TimeProvider.System.GetElapsedTime(start);
            count += call.ResponseStream.Current.TokenCount;
            messages++;
        }

        return new CallResult(first, (int)count, messages);
    }

    public void Dispose() => _channel.Dispose();
}
