namespace GrpcLlm.Client.Tests.Telemetry;

/// <summary>Tests that listen to the process's spans, or rely on nobody doing so: alone, one after another.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class TelemetryAlone
{
    public const string Name = "Telemetry";
}
