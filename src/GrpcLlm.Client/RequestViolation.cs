namespace GrpcLlm.Client;

/// <summary>One thing that is wrong with a request.</summary>
/// <param name="Field">Path of the field, such as <c>sampling.top_p</c>; empty if no single field is to blame.</param>
/// <param name="Description">What is wrong with it, for people.</param>
public sealed record RequestViolation(string Field, string Description);
