namespace GrpcLlm.Client.Json;

/// <summary>What one character does to the token that is being read.</summary>
internal enum ScanStep
{
    /// <summary>It belongs to the token, which goes on.</summary>
    More,

    /// <summary>It ends the token.</summary>
    End,

    /// <summary>It cannot stand there.</summary>
    Fault,
}
