using System.ComponentModel;
using GrpcLlm.Client;
using Microsoft.Extensions.AI;

namespace GrpcLlm.Samples.FunctionCalling;

/// <summary>Answers one question with the help of a function. Only the line with <c>AsChatClient</c> knows of GrpcLlm.</summary>
internal static class WeatherAssistant
{
    /// <summary>Asks the model, carries out the functions that it calls, and prints its answer as it comes.</summary>
    /// <param name="client">The service.</param>
    /// <param name="model">A model that calls functions.</param>
    /// <param name="question">What to ask.</param>
    /// <param name="output">Where the answer goes.</param>
    /// <param name="log">Where function calls are told.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="GenerationException">A call failed.</exception>
    public static async Task AnswerAsync(
        GrpcLlmClient client, string model, string question, TextWriter output, TextWriter log, CancellationToken cancellationToken)
    {
#if STOCK_FUNCTION_INVOCATION
        using var chat = new ChatClientBuilder(client.AsChatClient(model)).UseFunctionInvocation().Build();
#else
        using var chat = new FunctionLoop(client.AsChatClient(model));
#endif
        var options = new ChatOptions
        {
            Instructions = "Answer in one sentence.",
            Tools = [AIFunctionFactory.Create(TemperatureAsync, "temperature", "Tells the temperature of a city in degrees Celsius.")],
        };

        await foreach (var update in chat.GetStreamingResponseAsync(question, options, cancellationToken))
        {
            await output.WriteAsync(update.Text);
            await output.FlushAsync(cancellationToken);
        }

        await output.WriteLineAsync();

        async Task<double> TemperatureAsync([Description("Name of the city.")] string city)
        {
            await log.WriteLineAsync($"temperature({city})");
            return city == "Bern" ? 21.5 : throw new ArgumentException($"There is no station in {city}.", nameof(city));
        }
    }
}
