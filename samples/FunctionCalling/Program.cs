using System.Runtime.InteropServices;
using GrpcLlm.Client;
using GrpcLlm.Samples.FunctionCalling;

// dotnet run --project samples/FunctionCalling -- MODEL QUESTION
// The model must be able to call functions; the two that the service ships with cannot.
if (args.Length != 2)
{
    await Console.Error.WriteLineAsync("usage: FunctionCalling MODEL QUESTION; the service is at $GRPCLLM_ADDRESS, else at http://127.0.0.1:50051");
    return 2;
}

using var interrupted = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal =>
{
    signal.Cancel = true;
    interrupted.Cancel();
});

var address = Environment.GetEnvironmentVariable("GRPCLLM_ADDRESS") is { Length: > 0 } given ? given : "http://127.0.0.1:50051";
await using var client = new GrpcLlmClient(new Uri(address));
try
{
    await WeatherAssistant.AnswerAsync(client, args[0], args[1], Console.Out, Console.Error, interrupted.Token);
    return 0;
}
catch (GenerationException failure)
{
    await Console.Error.WriteLineAsync($"{failure.StatusCode} {failure.ReasonName}: {failure.Message}");
    return 1;
}
catch (OperationCanceledException)
{
    return 130;
}
