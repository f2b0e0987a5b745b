namespace GrpcLlm.Cli;

/// <summary>The command line cannot be carried out as it stands, and the parser could not know.</summary>
internal sealed class UsageException(string message) : Exception(message);
