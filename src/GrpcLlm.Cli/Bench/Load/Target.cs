using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using GrpcLlm.Client;
using GrpcLlm.V1;

namespace GrpcLlm.Cli.Bench.Load;

/// <summary>
/// The service under load: connections of their own for each channel, generated stubs on them, no retries, nothing
/// between the stub and the stopwatch. Thread-safe.
/// </summary>
internal sealed class Target : IDisposable
{
    private readonly GrpcChannel[] _channels;
    private readonly GenerationService.GenerationServiceClient[] _stubs;
    private readonly GrpcLlmClientOptions _options;
    private readonly Metadata? _headers;
    private volatile MergedHeaders? _latest;

    private Target(GrpcLlmClientOptions options, int connections, Metadata? headers)
    {
        _options = options;
        _headers = headers;

        // A channel is one connection, however many streams it carries; what the server does not take waits in the client.
        options.EnableMultipleHttp2Connections = false;
        _channels = [.. Enumerable.Range(0, connections).Select(_ => ChannelFactory.Create(options.Address!, options))];
        _stubs = [.. _channels.Select(channel => new GenerationService.GenerationServiceClient(channel))];
    }

    /// <summary>Address of the target.</summary>
    public Uri Address => _options.Address!;

    /// <summary>Opens every connection and asks over each whether the service takes calls.</summary>
    /// <param name="options">How to connect: valid, and not used by anybody else.</param>
    /// <param name="connections">How many connections.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="GenerationException">Nobody answers, or the service takes no calls.</exception>
    public static async Task<Target> ConnectAsync(GrpcLlmClientOptions options, int connections, CancellationToken cancellationToken)
    {
        var headers = await new BearerToken(options.ApiKey, options.TokenProvider).AddToAsync(options.Headers, cancellationToken);
        var target = new Target(options, connections, headers);
        try
        {
            await Task.WhenAll(target._channels.Select(channel => target.ProbeAsync(channel, cancellationToken)));
            await WarmUpAsync(target._channels[0], headers, cancellationToken);
            return target;
        }
        catch
        {
            target.Dispose();
            throw;
        }
    }

    /// <summary>The stub of a call: connections take turns.</summary>
    public GenerationService.GenerationServiceClient StubOf(long number) => _stubs[number % _stubs.Length];

    /// <summary>The headers of a call: its own, and those of all calls.</summary>
    public Metadata? HeadersOf(Metadata? own)
    {
        if (own is null || _headers is null) return own ?? _headers;

        // Calls mostly share theirs.
        if (_latest is { } latest && ReferenceEquals(latest.Given, own)) return latest.Merged;
        var merged = new Metadata();
        foreach (var entry in own) merged.Add(entry);
        foreach (var entry in _headers)
        {
            if (own.Get(entry.Key) is null) merged.Add(entry);
        }

        _latest = new MergedHeaders(own, merged);
        return merged;
    }

    public void Dispose()
    {
        foreach (var channel in _channels) channel.Dispose();
    }

    private async Task ProbeAsync(GrpcChannel channel, CancellationToken cancellationToken)
    {
        using var client = new GrpcLlmClient(channel, _options);
        try
        {
            if (await client.CheckHealthAsync(cancellationToken)) return;
        }
        catch (GenerationException failure) when (failure.StatusCode == StatusCode.Unimplemented)
        {
            // A server without a health service has answered, too.
            return;
        }

        throw new GenerationException("The service answers, but says that it takes no calls.")
        {
            StatusCode = StatusCode.Unavailable,
            ReasonName = "NOT_SERVING",
            RetrySafe = true,
        };
    }

    /// <summary>Warms up this program's own side by health's stream, which costs no model anything.</summary>
    private static async Task WarmUpAsync(GrpcChannel channel, Metadata? headers, CancellationToken cancellationToken)
    {
        var health = new Health.HealthClient(channel);
        try
        {
            await WarmUp.RunAsync(
                async () =>
                {
                    using var watch = health.Watch(new HealthCheckRequest(), headers, deadline: null, cancellationToken);
                    return await watch.ResponseStream.MoveNext(cancellationToken);
                },
                WarmUp.Lots,
                cancellationToken);
        }
        catch (RpcException exception) when (!cancellationToken.IsCancellationRequested && exception.StatusCode != StatusCode.Cancelled)
        {
            // Not every server has that stream. The first calls then take longer, and --warmup leaves them out.
        }
    }

    private sealed record MergedHeaders(Metadata Given, Metadata Merged);
}
