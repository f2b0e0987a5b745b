using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using Grpc.Core;
using GrpcLlm.Server.Backends.Simulator;
using GrpcLlm.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace GrpcLlm.Benchmarks;

/// <summary>
/// The yardstick: a plain Grpc.AspNetCore handler of the same contract, with nothing between the token and the write. No
/// validation, limits, routing, retries, timeouts, merging, accounting or telemetry. What this service costs beyond it is
/// its own. Model <c>relay</c> reads an OpenAI-style upstream, which falls silent after a token where there is no limit; any
/// other writes the simulator's tokens: at once, or by a timer.
/// </summary>
internal sealed class BareServer(HttpClient http) : GenerationService.GenerationServiceBase
{
    private static readonly string[] Texts = [.. SimulatorText.Tokens.Select(static token => token.Text)];

    /// <summary>Starts it as a process.</summary>
    /// <param name="upstream">Where its model <c>relay</c> leads.</param>
    public static Task<ServerProcess> StartAsync(Uri upstream) => ServerProcess.StartAsync(
        new ProcessStartInfo("dotnet", [typeof(BareServer).Assembly.Location, Program.BareServerCommand, upstream.ToString()]),
        listeners: 1);

    /// <summary>Runs until the process is ended.</summary>
    /// <param name="args">The upstream's address, and milliseconds between tokens; 0: no pause.</param>
    public static async Task RunAsync(string[] args)
    {
        var builder = WebApplication.CreateSlimBuilder();

        // The service's own settings lie beside this program, and would have its ports opened too.
        builder.Configuration.Sources.Clear();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Logging.AddFilter("Microsoft.Hosting.Lifetime", LogLevel.Information);
        builder.WebHost.ConfigureKestrel(static kestrel =>
        {
            kestrel.Limits.Http2.MaxStreamsPerConnection = 4096;
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Listen(IPAddress.Loopback, 0, static listen => listen.Protocols = HttpProtocols.Http2);
        });
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(new HttpClient(new SocketsHttpHandler())
        {
            BaseAddress = new Uri(args[0]), Timeout = Timeout.InfiniteTimeSpan,
        });
        builder.Services.AddSingleton<BareServer>();
        await using var app = builder.Build();
        app.MapGrpcService<BareServer>();
        await app.RunAsync();
    }

    public override Task Generate(GenerateRequest request, IServerStreamWriter<TokenChunk> responseStream, ServerCallContext context) =>
        request.Model == "relay" ? RelayAsync(request, responseStream, context) : WriteAsync(request, responseStream, context);

    /// <summary>The messages of this service's simulator, fields and all, at a pace that the request's metadata tells, or one and no more.</summary>
    private static async Task WriteAsync(GenerateRequest request, IServerStreamWriter<TokenChunk> stream, ServerCallContext context)
    {
        var tokens = request.Limits.MaxOutputTokens;
        var pace = context.RequestHeaders.GetValue("pace-ms");
        var isIdle = context.RequestHeaders.GetValue("idle") is not null;
        using var timer = pace is null ? null
            : new PeriodicTimer(TimeSpan.FromMilliseconds(double.Parse(pace, CultureInfo.InvariantCulture)));
        var start = TimeProvider.System.GetTimestamp();
        var before = 0L;
        var chunk = new TokenChunk();
        for (var n = 0u; n < tokens; n++)
        {
            if (timer is not null) await timer.WaitForNextTickAsync(context.CancellationToken);
            var elapsed = (long)TimeProvider.System.GetElapsedTime(start).TotalMicroseconds;
            Fill(chunk, Texts[n % Texts.Length], n + 1, elapsed, elapsed - before);
            before = elapsed;
            if (n == 0) chunk.Started = new Started { RequestId = "bare", Model = request.Model, Backend = "bare" };
            await stream.WriteAsync(chunk);
            chunk.Started = null;
            if (isIdle) await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.CancellationToken);
        }
    }

    private async Task RelayAsync(GenerateRequest request, IServerStreamWriter<TokenChunk> stream, ServerCallContext context)
    {
        var wanted = request.Limits is { } limits ? $"\"model\":\"bench\",\"max_tokens\":{limits.MaxOutputTokens}" : "\"model\":\"silent\"";
        using var message = new HttpRequestMessage(HttpMethod.Post, "chat/completions")
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(
                $$"""{{{wanted}},"stream":true,"messages":[{"role":"user","content":"p"}]}""")),
        };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var response = await http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, context.CancellationToken);
        await using var body = await response.Content.ReadAsStreamAsync(context.CancellationToken);
        var start = TimeProvider.System.GetTimestamp();
        var before = 0L;
        var chunk = new TokenChunk();
        var sequence = 0u;
        await foreach (var item in SseParser.Create(body, static (_, data) => TextOf(data)).EnumerateAsync(context.CancellationToken))
        {
            if (item.Data.Length == 0) continue;
            var elapsed = (long)TimeProvider.System.GetElapsedTime(start).TotalMicroseconds;
            Fill(chunk, item.Data, ++sequence, elapsed, elapsed - before);
            before = elapsed;
            await stream.WriteAsync(chunk);
        }
    }

    private static void Fill(TokenChunk chunk, string text, uint sequence, long elapsed, long gap)
    {
        chunk.Text = text;
        chunk.Sequence = sequence;
        chunk.ElapsedUs = (ulong)elapsed;
        chunk.TokenCount = 1;
        chunk.TokenGapsUs.Clear();
        chunk.TokenGapsUs.Add((uint)gap);
    }

    /// <summary>The text of the first property <c>content</c>, whatever it belongs to; empty if there is none.</summary>
    public static string TextOf(ReadOnlySpan<byte> data)
    {
        var reader = new Utf8JsonReader(data);
        if (data.IsEmpty || data[0] != '{') return "";
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName || !reader.ValueTextEquals("content"u8)) continue;
            reader.Read();
            return reader.GetString() ?? "";
        }

        return "";
    }
}
