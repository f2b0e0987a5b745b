namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// A model cannot be served: its file is broken, cut short, hostile or in need of something this engine does not have,
/// or the options do not fit it. The message names the key, tensor, place or option that is wrong, in one line of at most
/// 1000 characters: it may hold words of the file.
/// </summary>
internal sealed class EmbeddedModelException : Exception
{
    private const int MaxLength = 1000;

    public EmbeddedModelException(string message, Exception? innerException = null)
        : base(TextLine.Of(message, MaxLength), innerException)
    {
    }
}
