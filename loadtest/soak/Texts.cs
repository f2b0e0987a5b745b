using Grpc.Core;
using GrpcLlm.FunctionalTests.Resilience;
using GrpcLlm.V1;
using GenerationClient = GrpcLlm.V1.GenerationService.GenerationServiceClient;

namespace GrpcLlm.Soak;

/// <summary>
/// Calls to the models without an upstream, whose text is known: the simulator's is always the same, and the embedded model
/// writes the same for the same prompt and seed. Both are read once, before anything goes wrong.
/// </summary>
internal sealed class Texts
{
    private const int SimulatorTokens = 8000;
    private const int EmbeddedTokens = 48;

    private static readonly string[] Prompts = ["Once upon a time", "The old king", "She opened the door and"];

    private static readonly string[] Faults = ["reset@", "stall@", "truncate@", "malformed@", "500@", "429@", "400@"];

    private readonly Dictionary<(string Prompt, long Seed), string> _embedded = [];
    private string _simulator = "";

    /// <summary>Calls that <see cref="ReadAsync(GenerationClient)"/> makes.</summary>
    public static int Calls { get; } = 1 + (2 * Prompts.Length);

    public static async Task<Texts> ReadAsync(GenerationClient client)
    {
        var texts = new Texts();
        var request = new GenerateRequest { Model = "simulator", Prompt = "p", RequestId = NameOf(0) };
        texts._simulator = await ReadAsync(client, request, new Metadata { { "simulate-output-tokens", $"{SimulatorTokens}" }, { "simulate-itl-ms", "0" } });
        foreach (var prompt in Prompts)
        {
            for (var seed = 1; seed <= 2; seed++)
            {
                request = Embedded(prompt, seed, EmbeddedTokens);
                request.RequestId = NameOf(texts._embedded.Count + 1);
                texts._embedded[(prompt, seed)] = await ReadAsync(client, request, []);
            }
        }

        return texts;
    }

    /// <summary>Name of one of those calls, by its number.</summary>
    public static string NameOf(int number) => $"text-{number}";

    /// <summary>Makes a call one to the simulator.</summary>
    public static void ToSimulator(FaultyCall call, Random random)
    {
        call.Request.Model = "simulator";
        var isLong = call.Behaviour is Behaviour.ReadsSlowly or Behaviour.StopsReading;
        call.Metadata.Add("simulate-output-tokens", $"{(isLong ? random.Next(3000, SimulatorTokens) : random.Next(1, 120))}");
        call.Metadata.Add("simulate-ttft-ms", $"{random.Next(20)}");
        call.Metadata.Add("simulate-itl-ms", isLong ? "0" : $"{random.Next(25)}");
        if (!isLong && random.Next(5) == 0) call.Metadata.Add("simulate-fault", Faults[random.Next(Faults.Length)] + random.Next(8));
    }

    /// <summary>Makes a call one to the embedded model.</summary>
    public static void ToEmbedded(FaultyCall call, Random random) => call.Request.MergeFrom(
        Embedded(Prompts[random.Next(Prompts.Length)], random.Next(1, 3), random.Next(1, EmbeddedTokens)));

    /// <summary>The text that a call would get if it went on for long; null for a call to an upstream.</summary>
    public string? Of(FaultyCall call) => call.Request.Model switch
    {
        "simulator" => _simulator,
        "embedded" => _embedded[(call.Request.Prompt, call.Request.Sampling.Seed)],
        _ => null,
    };

    private static GenerateRequest Embedded(string prompt, long seed, int tokens)
    {
        var request = new GenerateRequest { Model = "embedded", Prompt = prompt };
        request.Sampling = new SamplingOptions { Seed = seed };
        request.Limits = new GenerationLimits { MaxOutputTokens = (uint)tokens };
        return request;
    }

    private static async Task<string> ReadAsync(GenerationClient client, GenerateRequest request, Metadata metadata)
    {
        using var call = client.Generate(request, metadata);
        var text = "";
        while (await call.ResponseStream.MoveNext(CancellationToken.None)) text += call.ResponseStream.Current.Text;
        return text;
    }
}
