namespace GrpcLlm.Server.Backends.Http;

/// <summary>
/// Finds the events in the bytes of a body, however they are split. Keeps what it needs to know of an event whose end has
/// not come. Not thread-safe; one body, one framing.
/// </summary>
internal abstract class EventFraming
{
    /// <summary>Type of an event that names none (WHATWG HTML, section 9.2.6).</summary>
    protected const string DefaultType = "message";

    /// <summary>Takes the next event.</summary>
    /// <param name="bytes">The body from where the last call left off.</param>
    /// <param name="isEnd">Whether nothing follows these bytes; then what is left is an event, ended or not.</param>
    /// <param name="used">How many of the bytes are done with; the next call begins behind them.</param>
    /// <param name="type">Type of the event.</param>
    /// <param name="data">Its data. Valid until the next call, and as long as <paramref name="bytes"/>.</param>
    /// <returns>False: more bytes are needed, or there are no more events.</returns>
    public abstract bool TryTake(
        ReadOnlySpan<byte> bytes, bool isEnd, out int used, out string type, out ReadOnlySpan<byte> data);
}
