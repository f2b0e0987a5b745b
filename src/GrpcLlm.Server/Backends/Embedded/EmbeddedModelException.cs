namespace GrpcLlm.Server.Backends.Embedded;

/// <summary>
/// A model cannot be served: its file is broken, cut short, hostile or in need of something this engine does not have,
/// or the options do not fit it. The message names the key, tensor, place or option that is wrong.
/// </summary>
internal sealed class EmbeddedModelException : Exception
{
    public EmbeddedModelException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
