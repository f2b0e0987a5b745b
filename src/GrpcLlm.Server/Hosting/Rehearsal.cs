using Google.Protobuf;
using Grpc.Core;
using GrpcLlm.Server.Grpc;
using GrpcLlm.V1;
using GenerationService = GrpcLlm.Server.Grpc.GenerationService;

namespace GrpcLlm.Server.Hosting;

/// <summary>
/// One call that goes nowhere, while the process starts: on one core settings are read and models are loaded, on another
/// the JIT compiles what the first call will run. It is served by the service's own code, from the request's bytes to
/// those of the answer, on objects that nobody else has: a simulated model, tenants, queue, books and meters. So it is
/// counted, logged and limited nowhere. Only export of spans waits for it, neither the listeners nor readiness do. With one
/// core there is none.
/// </summary>
/// <remarks>Where it fails, the first call is slower, and tells by itself what is wrong.</remarks>
internal sealed class Rehearsal
{
    private const string Name = "rehearsal";

    private static readonly Dictionary<string, string?> Settings = new(StringComparer.Ordinal)
    {
        ["GrpcLlm:DefaultModel"] = Name,
        [$"GrpcLlm:Backends:{Name}:Kind"] = "simulator",
        [$"GrpcLlm:Backends:{Name}:TimeToFirstToken"] = "00:00:00",
        [$"GrpcLlm:Backends:{Name}:InterTokenLatency"] = "00:00:00",
        [$"GrpcLlm:Models:{Name}:Routes:0:Backend"] = Name,
    };

    private Rehearsal(Task ended) => Ended = ended.ContinueWith(
        static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

    /// <summary>Completes when it is over, however it ended; never fails.</summary>
    public Task Ended { get; }

    /// <summary>Starts it beside the caller.</summary>
    public static Rehearsal Start() => new(Environment.ProcessorCount > 1 ? Task.Run(RunAsync) : Task.CompletedTask);

    /// <summary>Serves the call.</summary>
    /// <returns>What a client would have got.</returns>
    public static async Task<(Status Status, int Messages)> RunAsync()
    {
        // First, since the endpoints ask for it soon.
        _ = GenerationReflection.Descriptor;

        var services = new ServiceCollection();
        services.AddLogging().AddMetrics();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(Settings).Build());
        ServerHost.AddCallServices(services);
        services.AddSingleton<TelemetryService>();
        await using var provider = services.BuildServiceProvider();
        var telemetry = provider.GetRequiredService<TelemetryService>();
        await telemetry.StartingAsync(CancellationToken.None);

        var context = new RehearsalContext(provider.GetRequiredService<TimeProvider>());
        var request = new GenerateRequest { Prompt = Name, Limits = new GenerationLimits { MaxOutputTokens = 2 } };
        var received = CheckedMarshaller.ForRequest(GenerateRequest.Parser)
            .ContextualDeserializer(new RehearsalPayload(request.ToByteArray()));
        var stream = new RehearsalStream();
        await provider.GetRequiredService<GenerationService>().Generate(received, stream, context);
        await telemetry.StoppedAsync(CancellationToken.None);
        return (context.Status, stream.Messages);
    }
}
