namespace GrpcLlm.Client.Json;

/// <summary>One property of an object.</summary>
/// <param name="Name">Its name, complete and without escapes.</param>
/// <param name="Value">Its value so far.</param>
public readonly record struct PartialJsonProperty(string Name, PartialJsonValue Value);
