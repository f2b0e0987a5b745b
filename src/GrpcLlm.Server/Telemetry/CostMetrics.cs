using System.Diagnostics.Metrics;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Telemetry;

/// <summary>
/// The counter <c>grpcllm.cost</c>. It has no unit: money has none that units of measure know, and amounts of two currencies
/// must not be added up, so the currency is an attribute. Thread-safe; free when nobody listens.
/// </summary>
internal sealed class CostMetrics
{
    /// <summary>Name of the counter.</summary>
    public const string Name = "grpcllm.cost";

    private readonly Counter<double> _cost;

    public CostMetrics(IMeterFactory meterFactory) => _cost = meterFactory.Create(ServerMetrics.MeterName).CreateCounter<double>(
        Name, unit: null, "Price of upstream attempts, in whole units of their currency.");

    /// <summary>Adds what the attempts of a call cost, each under what became of it.</summary>
    public void Add(GenerationRecord record)
    {
        if (record.Price is not { } price || !_cost.Enabled) return;
        foreach (var attempt in record.Attempts)
        {
            if (attempt.Usage is not { } usage) continue;
            _cost.Add(
                (double)price.Of(usage),
                new("currency", price.Currency),
                new(SpanNames.RequestModel, record.ModelName),
                new("outcome", Names<AttemptOutcome>.LowerOf(attempt.Outcome)),
                new("hedged", attempt.Hedged),
                new("source", Names<UsageSource>.LowerOf(usage.Source)));
        }
    }
}
