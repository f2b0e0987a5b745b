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
    private readonly Counter<double> _cost;

    public CostMetrics(ServerMetrics metrics) => _cost = metrics.Meter.CreateCounter<double>(
        TelemetryNames.Cost, unit: null, "Price of upstream attempts, in whole units of their currency.");

    /// <summary>Adds what the attempts of a call cost, each under what became of it.</summary>
    public void Add(GenerationRecord record)
    {
        if (record.Price is not { } price || !_cost.Enabled) return;
        foreach (var attempt in record.Attempts)
        {
            if (attempt.Usage is not { } usage) continue;
            _cost.Add(
                (double)price.Of(usage),
                new(TelemetryNames.Currency, price.Currency),
                new(TelemetryNames.RequestModel, record.ModelName),
                new(TelemetryNames.Outcome, Names<AttemptOutcome>.LowerOf(attempt.Outcome)),
                new(TelemetryNames.Hedged, attempt.Hedged),
                new(TelemetryNames.Source, Names<UsageSource>.LowerOf(usage.Source)));
        }
    }
}
