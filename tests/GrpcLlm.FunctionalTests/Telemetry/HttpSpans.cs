namespace GrpcLlm.FunctionalTests.Telemetry;

/// <summary>
/// Tests that have the spans of .NET's HTTP handler recorded, and those that read what goes upstream where nobody does: a
/// listener hears the whole process, and a span of the handler's puts its own id into <c>traceparent</c>. One at a time.
/// </summary>
[CollectionDefinition(Name)]
public sealed class HttpSpans
{
    /// <summary>Name of the collection.</summary>
    public const string Name = "HTTP spans";
}
